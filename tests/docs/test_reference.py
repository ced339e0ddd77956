"""The reference has every public name, setting, environment variable, log line, logger and command."""

from __future__ import annotations

import importlib.metadata
import inspect
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from docs._site import commands, described, environment, log_lines, public_names
from tests.hooks.specifications import hooks

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
DOCUMENTED = public_names.named_in(REFERENCE)
INSTALLED = importlib.metadata.entry_points(group="kafka_parallel")
SHIPPED = [plugin for plugin in INSTALLED if plugin.value.startswith("kafka_parallel_plugins.")]

# Their methods are those of kafka-python's classes, or of a clock; their additions are described.
FAKES = ("FakeCluster", "FakeConsumer", "FakeProducer", "ManualClock")
LIKE_THE_CLIENT = {f"kafka_parallel.testing.{name}" for name in FAKES}


# Names


def test_every_public_name_is_in_the_reference():
    assert len(public_names.public_names()) > 80
    assert public_names.missing(DOCUMENTED) == []


def test_a_name_that_the_reference_leaves_out_is_found():
    left_out = {name for name in DOCUMENTED if not name.endswith((".Batch", ".Skip"))}

    assert {name.rpartition(".")[2] for name in public_names.missing(left_out)} == {"Batch", "Skip"}


def test_the_reference_names_nothing_that_is_not_there():
    assert [name for name in DOCUMENTED if public_names.resolved(name) is None] == []


def test_every_hook_is_in_the_reference():
    assert public_names.missing(DOCUMENTED, [f"kafka_parallel.hookspecs.{hook.__name__}" for hook in hooks()]) == []


@pytest.mark.parametrize("plugin", SHIPPED, ids=lambda plugin: plugin.name)
def test_every_shipped_plugin_has_a_page(plugin):
    page = REFERENCE / f"plugins-{plugin.name}.md"

    assert page.exists()
    assert public_names.missing(public_names.named_in(page.parent), [plugin.value.replace(":", ".")]) == []
    assert f"({page.name})" in (REFERENCE / "plugins.md").read_text()


# Parameters, settings and fields


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_every_parameter_and_field_is_described_with_its_unit(name):
    found = public_names.resolved(name)

    for each in (found, *([] if name in LIKE_THE_CLIENT else described.methods(found))):
        assert described.undescribed(each) == [], each
        assert described.without_unit(each) == [], each


def test_what_is_not_described_is_found():
    class Setting:
        """Does it. :param first: what it is."""

        def __init__(self, first, second, *, wait_ms=1): ...

    @dataclass
    class Fields:
        """Has two.

        :ivar size: bytes.
        """

        size: int
        count: int

    class Pair(NamedTuple):
        """Has two fields."""

        left: int
        right: int

    def act(one, _two, **rest):
        """Do it to *one*."""

    Pair.act = act

    assert described.undescribed(Setting) == ["second", "wait_ms"]
    assert described.undescribed(Fields) == ["count"]
    assert described.undescribed(Pair) == ["left", "right"]
    assert [described.undescribed(method) for method in described.methods(Pair)] == [["rest"]]


def test_a_duration_without_its_unit_is_found():
    class Setting:
        """Waits.

        :param wait_ms: how long it waits.
        :param other_ms: milliseconds of something else.
        :param timeout: how long.
        """

        def __init__(self, wait_ms, other_ms, timeout): ...

    assert described.without_unit(Setting) == ["wait_ms", "timeout"]


# Environment variables


def rows(page: str) -> list[list[str]]:
    """The cells of the tables of a page, without the heads."""
    lines = (REFERENCE / page).read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [row for row in cells if row[0].startswith("`") or row[0] in log_lines.LEVELS.values()]


def test_every_environment_variable_is_in_the_reference():
    named = [row[0].strip("`") for row in rows("environment.md")]

    assert len(named) > 5
    assert sorted(named) == sorted(environment.variables())


@pytest.mark.parametrize(
    "source",
    ['os.environ.get("NEW")', 'os.environ["NEW"]', 'NEW_VARIABLE = "NEW"', 'option("--new", envvar="NEW")'],
)
def test_a_variable_that_is_read_is_found(source):
    assert environment.in_source(source) == {"NEW"}


# Log lines


def logged_in_reference() -> set[log_lines.LogLine]:
    """The rows of the page, each with the logger that its section names."""
    found, logger = set(), ""
    for line in (REFERENCE / "log-lines.md").read_text().splitlines():
        if named := re.match(r"Logger `([\w.]+)`\.", line):
            logger = named[1]
        elif row := re.match(r"\| ([A-Z]+) \| `(.*?)` \|", line):
            found.add(log_lines.LogLine(logger, row[1], row[2]))
    return found


def test_every_log_line_is_in_the_reference():
    named, written = logged_in_reference(), set(log_lines.log_lines())

    assert len(written) > 40
    assert sorted(written - named) == [], "docs/reference/log-lines.md needs a row for each of these, with its meaning"
    assert sorted(named - written) == [], "docs/reference/log-lines.md has rows for lines that are not written any more"


@pytest.mark.parametrize("name", ["log", "log: Logger"])
@pytest.mark.parametrize(
    ("made", "logger"),
    [
        ("get_logger(__name__)", "m"),
        ("logging.getLogger(__name__)", "m"),
        ('get_logger("some.name")', "some.name"),
        ('area_logger("commits")', "kafka_parallel.commits"),
    ],
)
def test_a_log_line_is_found_in_the_source(name, made, logger):
    calls = ['log.warning("a %s " "b", 1)', "log.exception(text)", 'other.info("no")']
    source = "\n".join([f"{name} = {made}", "other = made()", *calls])

    assert log_lines.in_module("m", source) == [(logger, "WARNING", "a %s b"), (logger, "ERROR", "%s")]


def test_every_logger_is_in_the_reference():
    text = (REFERENCE / "log-lines.md").read_text()

    assert "kafka_parallel_plugins.retry" in log_lines.loggers()
    assert [name for name in log_lines.loggers() if f"`{name}`" not in text] == []


def test_no_logger_is_named_by_a_private_module():
    assert [name for name in log_lines.loggers() if "._" in name] == []


# Commands


def test_every_command_is_in_the_reference():
    named = re.findall(r"^\.\. click-command:: (.*)$", (REFERENCE / "command-line.md").read_text(), re.MULTILINE)

    assert sorted(named) == sorted(commands.commands())
    assert len(named) == 13


def test_a_command_of_a_group_is_found():
    group = click.Group("tool", commands=[click.Group("a", commands=[click.Command("b")]), click.Command("c")])

    assert [path for path, _ in commands.leaves(group)] == ["tool a b", "tool c"]


def test_a_command_is_shown_with_its_usage_and_options():
    option = click.Option(["--rate"], type=int, default=3, show_default=True, help="Most records per second.")
    lines = list(commands.shown("tool c", click.Command("c", help="Do it.", params=[option])))

    assert [line for line in lines if "tool c [" in line or "Do" in line or "option::" in line] == [
        "   tool c [OPTIONS]",
        "Do it.",
        ".. option:: --rate INTEGER",
    ]
    assert "   Most records per second.  [default: 3]" in lines


# Rendering of docstrings


def test_defaults_contracts_and_fields_are_shown():
    from docs._site.docstrings import rewritten, signature

    @dataclass
    class Wait:
        """A wait.

        :ivar wait_ms: milliseconds,
            in two lines.
        """

        wait_ms: float = 5

    def act(size: int = 3):
        """Do it.

        Runs on: the loop.
        If it raises: nothing.

        :param size: how large.
        """

    assert [line for line in rewritten(Wait, inspect.getdoc(Wait).splitlines()) if line] == [
        "A wait.", ".. attribute:: wait_ms", "   :type: float", "   :value: 5", "   Milliseconds,", "   in two lines.",
    ]  # fmt: skip
    assert signature(lambda size=lambda: 1: None, is_method=False) == "(size=...)"
    assert [line for line in rewritten(act, inspect.getdoc(act).splitlines()) if line] == [
        "Do it.", ":Runs on: the loop.", ":If it raises: nothing.", ":param size: how large. Default: ``3``.",
    ]  # fmt: skip
