"""Shows single dead letters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from kafka_parallel.cli.connection import with_connection
from kafka_parallel.cli.letters import Letter, Selection, read, with_selection
from kafka_parallel.cli.output import moment, printable, show_json
from kafka_parallel.cli.payloads import as_object, headers_as_objects, readable

if TYPE_CHECKING:
    from kafka_parallel.cli.connection import Connection

__all__ = ()

# How long the letters that are not shown are counted, in seconds: a topic may hold millions.
LONGEST_COUNT = 3.0
# The most characters of a value on a terminal.
MOST_OF_VALUE = 1_000


@click.command()
@click.argument("dead_letter_topic")
@click.option("--limit", type=click.IntRange(1), default=10, show_default=True, help="Most letters to show.")
@click.option("--stack-trace", is_flag=True, help="Show stack traces too.")
@click.option(
    "--json", "as_json", is_flag=True,
    help="One JSON object per letter; of a key or value its hex, its text if it is UTF-8, its json if it is JSON.",
)  # fmt: skip
@with_connection
@with_selection
def show(
    connection: Connection,
    selection: Selection,
    dead_letter_topic: str,
    limit: int,
    *,
    stack_trace: bool,
    as_json: bool,
) -> None:
    """Show dead letters: where they come from, why, key and value. The number of those left out comes last."""
    letters = read(connection, dead_letter_topic, selection)
    for letter in islice(letters, limit):
        if as_json:
            show_json(_as_object(letter))
        else:
            _show(letter, stack_trace=stack_trace)
    if more := _count(letters):
        click.echo(f"{more} more: choose some of them, or raise --limit {limit}", err=True)


def _count(letters: Iterator[Letter]) -> str:
    """The number of *letters* that are left, as text, or the least that it is; empty if there are none."""
    deadline = monotonic() + LONGEST_COUNT
    count = 0
    for _ in letters:
        count += 1
        if monotonic() > deadline:
            return f"at least {count}"
    return str(count or "")


def _as_object(letter: Letter) -> dict[str, Any]:
    record = letter.record
    return {
        "partition": record.partition,
        "offset": record.offset,
        "timestamp_ms": record.timestamp,
        "key": as_object(record.key),
        "value": as_object(record.value),
        "headers": headers_as_objects(record.headers),
        "says": asdict(letter.says),
    }


def _show(letter: Letter, *, stack_trace: bool) -> None:
    record, says = letter
    click.secho(letter.place, bold=True)
    facts = {
        "written": moment(record.timestamp),
        "from": f"{says.topic}[{says.partition}]@{says.offset}",
        "group": says.group,
        "exception": says.exception,
        "cause": says.cause if says.cause != says.exception else None,
        "message": says.message,
        "attempts": says.attempts,
        "first failed": None if says.first_failed_at_ms is None else moment(says.first_failed_at_ms),
        "key": record.key,
        "value": record.value,
        "damaged headers": ", ".join(says.damaged) or None,
    }
    for name, fact in facts.items():
        if fact is not None:
            click.echo(f"  {name + ':':<16} {_shown(fact)}")
    if stack_trace and says.stack_trace is not None:
        for line in says.stack_trace.splitlines():
            click.echo(f"    {printable(line)}")


def _shown(fact: object) -> str:
    return readable(fact, MOST_OF_VALUE) if isinstance(fact, bytes) else printable(fact)
