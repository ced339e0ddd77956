"""Shows single dead letters."""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from kafka_parallel.cli.connection import with_connection
from kafka_parallel.cli.letters import Letter, Selection, read, with_selection
from kafka_parallel.cli.output import moment, printable, show_json

if TYPE_CHECKING:
    from kafka_parallel.cli.connection import Connection

__all__ = ()


@click.command()
@click.argument("dead_letter_topic")
@click.option("--limit", type=click.IntRange(1), default=10, show_default=True, help="Most letters to show.")
@click.option("--stack-trace", is_flag=True, help="Show stack traces too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per letter, keys and values in hexadecimal.")
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
    """Show dead letters: where they come from, why, key and value."""
    for letter in islice(read(connection, dead_letter_topic, selection), limit):
        if as_json:
            show_json(_as_object(letter))
        else:
            _show(letter, stack_trace=stack_trace)


def _as_object(letter: Letter) -> dict[str, Any]:
    record = letter.record
    return {
        "partition": record.partition,
        "offset": record.offset,
        "timestamp_ms": record.timestamp,
        "key": None if record.key is None else record.key.hex(),
        "value": None if record.value is None else record.value.hex(),
        "headers": [[name, None if value is None else value.hex()] for name, value in record.headers],
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
            click.echo(f"  {name + ':':<16} {printable(fact)}")
    if stack_trace and says.stack_trace is not None:
        for line in says.stack_trace.splitlines():
            click.echo(f"    {printable(line)}")
