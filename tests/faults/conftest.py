"""The length of faults, and the table of their effects."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass

import pytest

from benchmarks.environments import Missing, prepare_java
from kafka_parallel.testing.history import Entry, History, Kind, Produced, Verdict, judge, read
from tests.integration.kafka_app import committed, ends
from tests.integration.test_dlq import dead_letters

IS_LONG = os.environ.get("KAFKA_PARALLEL_FAULTS") == "long"


@dataclass
class Row:
    """One line of the table."""

    scenario: str
    faults: int
    records: int
    lost: int
    reordered: int
    committed_too_far: int
    repeated: int
    needless: int
    seconds: float


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[Verdict, int], None]:
    """A function that notes a verdict for the table."""
    began = time.monotonic()

    def note(verdict: Verdict, faults: int) -> None:
        row = Row(
            request.node.name.removeprefix("test_").replace("_", " "),
            faults,
            verdict.records,
            len(verdict.lost),
            len(verdict.reordered) + len(verdict.overlapping),
            len(verdict.committed_too_far),
            verdict.repeated,
            len(verdict.needless),
            time.monotonic() - began,
        )
        request.node.user_properties.append(("faults", json.dumps(asdict(row))))

    return note


@pytest.fixture(scope="session")
def java() -> list[str]:
    """The command that runs a class of benchmarks/java; where it cannot be had, tests are skipped, but not in CI."""
    try:
        return prepare_java()
    except Missing as reason:
        if "CI" in os.environ:
            raise
        pytest.skip(f"no Java consumer: {reason}")


def conclude(
    report: Callable[[Verdict, int], None],
    bootstrap: str,
    group: str,
    produced: Produced,
    entries: Iterable[Entry],
    faults: int,
) -> Verdict:
    """Judge a scenario that is over: nothing lost or out of order, and everything committed."""
    verdict = judge(entries, produced)
    report(verdict, faults)
    assert verdict.is_good, verdict
    assert committed(bootstrap, group, produced) == ends(produced)
    return verdict


def with_dead_letters(bootstrap: str, history: History, dead: str | None) -> Iterator[Entry]:
    """The history, with a record that failed taken as done if its dead letter is there."""
    letters = [dict(letter.headers) for letter in dead_letters(bootstrap, dead)] if dead else []
    places = {(int(letter["__dlq.errors.partition"]), int(letter["__dlq.errors.offset"])) for letter in letters}
    for entry in read(history.path):
        is_there = entry.kind == Kind.FAILED and (entry.partition, entry.offset) in places
        yield entry._replace(kind=int(Kind.END)) if is_there else entry


def rounds(short: int, long: int) -> int:
    """How often something happens: in every run of the tests, and in ``make faults``."""
    return long if IS_LONG else short


def pytest_terminal_summary(terminalreporter) -> None:
    found = [
        Row(**json.loads(value))
        for reports in terminalreporter.stats.values()
        for each in reports
        if getattr(each, "when", None) == "call"
        for name, value in getattr(each, "user_properties", ())
        if name == "faults"
    ]
    if found:
        terminalreporter.section("faults")
        print_table(found)


def print_table(rows: list[Row]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("scenario", *["faults", "records", "lost", "reordered", "too far", "repeated", "needless", "seconds"])
    for row in rows:
        numbers = list(asdict(row).values())[1:-1]
        table.add_row(escape(row.scenario), *(f"{number:,}" for number in numbers), f"{row.seconds:.0f}")
    Console(width=150).print(table)
