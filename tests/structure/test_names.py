"""A name leads to one place: each call on the way of a poll's records has few targets, and class names differ."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache

import pytest

from tests.structure.imports import modules

MOST_TARGETS = 3
# Where the records of one poll pass, from the loop to the handler and to the commit.
ROOM = "kafka_parallel._runtime"
WAY = [
    *(
        f"{ROOM}.loop.{name}"
        for name in ("poll_loop", "intake", "positions", "locked_scheduler", "wakeups", "committer")
    ),
    *(
        f"kafka_parallel._core.{name}"
        for name in (
            "assignment", "backlog", "backpressure", "batch_chunk", "batch_groups", "batch_queue", "chunk", "dispatch",
            "offsets", "ordering", "rate_limits", "retries", "scheduler",
        )
    ),
    *(
        f"{ROOM}.handlers.{name}"
        for name in (
            "batch_attempt", "coroutine_attempt", "coroutine_work", "handled_log", "record_attempt", "remote_run",
        )
    ),
    "kafka_parallel_plugins.thread_pool",
    "kafka_parallel_plugins.event_loop",
    "kafka_parallel_plugins.process_pool.plugin",
]  # fmt: skip
# What Python calls so: threads, processes, event loops and coroutines begin and end by these.
PYTHONS = {"close", "get", "join", "start"}


@cache
def sources():
    """The syntax tree of each module of the library, without those that have the client's names on purpose."""
    left_out = (".testing", ".consumer_types")
    paths = {name: path for name, path in modules().items() if not any(part in name for part in left_out)}
    return {name: ast.parse(path.read_text()) for name, path in paths.items()}


def methods(tree):
    """The functions and methods that a call from elsewhere may mean, by name: not nested ones, not properties, and not
    what type checkers alone read."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    bodies = [tree.body, *(node.body for node in classes if "Protocol" not in map(ast.unparse, node.bases))]
    found = [node for body in bodies for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [node.name for node in found if not {"property", "overload"} & {*map(ast.unparse, node.decorator_list)}]


def calls(tree):
    """The names that are called of some object, with the line; those of `self`, `super()` and of modules are known."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    known = {"self", "cls", "super()", *(alias.asname or alias.name for node in imports for alias in node.names)}
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    return [(node.func.attr, node.lineno) for node in found if ast.unparse(node.func.value) not in known]


def test_no_call_on_the_way_of_a_polls_records_has_many_targets():
    targets, trees = defaultdict(list), sources()
    for name, tree in trees.items():
        for method in methods(tree):
            targets[method].append(name)

    many = {
        (name, method, line): targets[method]
        for name in WAY
        for method, line in calls(trees[name])
        if len(targets[method]) > MOST_TARGETS and method not in PYTHONS
    }

    assert many == {}


@pytest.mark.parametrize("name", WAY)
def test_the_way_is_one_of_real_modules(name):
    assert name in sources()


def test_no_two_classes_have_one_name():
    places = defaultdict(list)
    for name, tree in sources().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(name)

    assert {name: found for name, found in places.items() if len(found) > 1} == {}
