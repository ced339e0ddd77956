"""How many dead letters are there of each kind?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from kafka_parallel.cli.connection import with_connection
from kafka_parallel.cli.letters import Letter, Selection, read, with_selection
from kafka_parallel.cli.output import moment, show_json, show_table

if TYPE_CHECKING:
    from kafka_parallel.cli.connection import Connection

__all__ = ()

UNKNOWN = "unknown"
KINDS: dict[str, Callable[[Letter], str]] = {
    "exception": lambda letter: letter.says.exception or UNKNOWN,
    "topic": lambda letter: letter.says.topic or UNKNOWN,
    "hour": lambda letter: moment(letter.record.timestamp)[:13],
}


@click.command()
@click.argument("dead_letter_topic")
@click.option("--by", type=click.Choice(list(KINDS)), multiple=True, help="Only this; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@with_connection
@with_selection
def stats(
    connection: Connection, selection: Selection, dead_letter_topic: str, by: tuple[str, ...], *, as_json: bool
) -> None:
    """Count dead letters by exception, by topic and by the hour (UTC) they were written in."""
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in by or KINDS}
    total = 0
    for letter in read(connection, dead_letter_topic, selection):
        total += 1
        for kind, counter in counts.items():
            counter[KINDS[kind](letter)] += 1
    if as_json:
        show_json({"total": total, **{kind: dict(counter.most_common()) for kind, counter in counts.items()}})
        return
    for kind, counter in counts.items():
        rows = sorted(counter.items()) if kind == "hour" else counter.most_common()
        show_table((kind, "letters"), [*rows, ("total", total)])
