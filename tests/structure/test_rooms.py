"""Imports point one way, and a module can be found by its name. Kind: the structure of the source."""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.structure.imports import circles, graph, modules

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
# The most lines of a module.
LONGEST = 400
# Names that more than one module has: fakes have those of their originals, and `logs` is what a user looks for.
SHARED_NAMES = {
    "clock", "cluster", "consumer", "dlq", "event_loop", "faults", "inbox", "logs", "membership", "process", "producer",
    "top", "topics",
}  # fmt: skip


def layers():
    """The layers of import-linter, from the top down: container -> name of a room -> its place."""
    contracts = tomllib.loads(PROJECT.read_text())["tool"]["importlinter"]["contracts"]
    return {
        container: {room.strip(): place for place, layer in enumerate(found["layers"]) for room in layer.split("|")}
        for found in contracts
        if found["type"] == "layers"
        for container in found["containers"]
    }


def arrows_up(edges, container, places):
    """The imports within *container* that run from a room to one above it, or beside it."""
    for name, imported in edges.items():
        for other in imported:
            here, there = room_of(name, container), room_of(other, container)
            if here and there and here != there and places[here] >= places[there]:
                yield f"{name} imports {other}"


def room_of(name, container):
    """The room of the module *name* in *container*, if it is in one."""
    return name.removeprefix(f"{container}.").split(".")[0] if name.startswith(f"{container}.") else None


ROOMS = [
    "kafka_parallel._core", "kafka_parallel._plugins", "kafka_parallel._runtime", "kafka_parallel._runtime.client",
    "kafka_parallel._runtime.handlers", "kafka_parallel._runtime.loop", "kafka_parallel.cli",
    "kafka_parallel.cli.configuration", "kafka_parallel.cli.preflight", "kafka_parallel.testing._plugin_contract",
]  # fmt: skip


def parts(room, found):
    """The modules and rooms directly in *room* that are not private to it."""
    inside = {name.removeprefix(f"{room}.").split(".")[0] for name in found if name.startswith(f"{room}.")}
    return {name for name in inside if not name.startswith("_")}


def unnamed(room, found):
    """The parts of *room* that its docstring does not name."""
    docstring = ast.get_docstring(ast.parse(found[room].read_text())) or ""
    return parts(room, found) - set(re.findall(r"`(\w+)`", docstring))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_names_all_of_its_parts(room):
    found = modules()

    assert len(parts(room, found)) > 3
    assert unnamed(room, found) == set()


def test_a_part_that_its_room_does_not_name_is_seen(tmp_path):
    (tmp_path / "__init__.py").write_text('"""The parts: `known`."""')
    found = {"room": tmp_path / "__init__.py", "room.known": None, "room.forgotten": None, "room.own.deep": None}

    assert unnamed("room", found) == {"forgotten", "own"}


def test_imports_go_in_no_circle():
    assert circles(graph()) == []


@pytest.mark.parametrize("container", layers())
def test_no_import_runs_back_up(container):
    assert [*arrows_up(graph(), container, layers()[container])] == []


def test_the_rooms_of_the_runtime_are_held_apart():
    assert [*layers()["kafka_parallel._runtime"]] == ["loop", "handlers", "client", "clock"]


def test_a_circle_and_an_arrow_up_are_seen():
    edges = {"p.high.a": {"p.low.b"}, "p.low.b": {"p.low.c"}, "p.low.c": {"p.high.a"}, "p.low.d": {"p.low.b"}}

    assert circles(edges) == [["p.high.a", "p.low.b", "p.low.c"]]
    assert [*arrows_up(edges, "p", {"high": 0, "low": 1})] == ["p.low.c imports p.high.a"]


def test_no_module_is_too_long():
    lengths = {name: len(path.read_text().splitlines()) for name, path in modules().items()}

    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def test_no_two_modules_have_one_name():
    found = defaultdict(set)
    for name in modules():
        found[name.rsplit(".", 1)[-1].lstrip("_")].add(name)

    assert {name for name, owners in found.items() if len(owners) > 1} == SHARED_NAMES | {"main__"}
