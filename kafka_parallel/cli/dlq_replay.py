"""How do dead letters get back to where they came from?

A letter goes to its original topic, but only if the caller has named that topic with ``--to``: no header can open a way
to another topic. Anything else is refused before the first record is sent.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kafka_parallel.cli.bookmark import Bookmark
from kafka_parallel.cli.connection import with_connection
from kafka_parallel.cli.letters import Letter, Selection, read, spans, with_selection
from kafka_parallel.cli.output import show_table
from kafka_parallel.cli.sending import Replay, has_value

if TYPE_CHECKING:
    from kafka_parallel.cli.bookmark import Place
    from kafka_parallel.cli.connection import Connection

__all__ = ()


class Rate(click.FloatRange):
    """Records per second. A lower rate would make a batch take hours."""

    def __init__(self) -> None:
        super().__init__(0.01, 1_000_000)

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Read a number within the range; "nan" is refused, because it compares with none."""
        found = float(super().convert(value, param, ctx))
        if math.isnan(found):
            self.fail(f"{value!r} is not a number", param, ctx)
        return found


@click.command()
@click.argument("dead_letter_topic")
@click.option("--to", "allowed", multiple=True, required=True, help="A topic that may be written to; may be repeated.")
@click.option("--rate", type=Rate(), help="Most records per second.")
@click.option("--keep-headers", is_flag=True, help="Keep the headers that tell of the failure; else they are stripped.")
@click.option(
    "--bookmark", type=click.Path(dir_okay=False, path_type=Path),
    help="The file in which sent letters are noted.  [default: DEAD_LETTER_TOPIC.bookmark]",
)  # fmt: skip
@click.option("--execute", is_flag=True, help="Send; without this the command only says how many it would.")
@with_connection
@with_selection
def replay(
    connection: Connection,
    selection: Selection,
    dead_letter_topic: str,
    allowed: tuple[str, ...],
    rate: float | None,
    bookmark: Path | None,
    *,
    keep_headers: bool,
    execute: bool,
) -> None:
    """Send dead letters to the topics they came from.

    The command only tells its plan unless --execute is given. Run it again after a crash: it goes on, and sends nothing
    twice.
    """
    path = bookmark or Path(f"{dead_letter_topic}.bookmark")
    is_new = not execute and not path.exists()
    known = nullcontext(None) if is_new else closing(Bookmark(path, dead_letter_topic, connection.cluster_id()))
    with known as notes:
        if notes is not None:
            _require_letters(connection, dead_letter_topic, path, notes)
        places = _plan(connection, dead_letter_topic, selection, allowed, set() if notes is None else notes.sent)
        if not execute or notes is None:
            click.echo("nothing was sent: add --execute to do it")
            return
        with closing(Replay(connection, notes, rate=rate, keep_headers=keep_headers)) as sending:
            count = sending.replay_all(dead_letter_topic, selection, places)
    click.echo(f"{count} records were sent; {path} knows which")


def _require_letters(connection: Connection, topic: str, path: Path, notes: Bookmark) -> None:
    """Refuse a bookmark that knows of letters beyond the end of *topic*: it belongs to one that was deleted.

    :raises click.UsageError: so it is.
    """
    with closing(connection.consumer()) as consumer:
        ends = {partition.partition: end for partition, (_, end) in spans(consumer, topic).items()}
    for partition, offset in sorted(notes.sent):
        if offset >= ends.get(partition, 0):
            raise click.UsageError(
                f"--bookmark {path} knows of {topic}[{partition}]@{offset}, but the topic ends at "
                f"{ends.get(partition, 0)}: it belongs to an earlier topic of that name; name another file"
            )


def _plan(
    connection: Connection, topic: str, selection: Selection, allowed: Collection[str], sent: Collection[Place]
) -> list[Place]:
    """Choose the letters to send; refuse those that must not be sent.

    :raises click.UsageError: a letter is from a topic that is not allowed, or a topic is not there.
    """
    if topic in allowed:
        raise click.UsageError(f"--to {topic} is the dead-letter topic itself: nothing would get out of it")
    places, counts, empty = [], Counter[str](), 0
    for letter in read(connection, topic, selection):
        place = (letter.record.partition, letter.record.offset)
        if place in sent:
            continue
        if not has_value(letter):
            empty += 1
            continue
        counts[_target(letter, allowed)] += 1
        places.append(place)
    _require_topics(connection, counts)
    show_table(("to", "records"), [*sorted(counts.items()), ("total", len(places))])
    if empty:
        click.echo(f"{empty} letters are left out: their value was too large for the dead-letter topic")
    return places


def _target(letter: Letter, allowed: Collection[str]) -> str:
    if letter.says.topic in allowed:
        return str(letter.says.topic)
    claim = "does not say where it comes from"
    if letter.says.topic is not None:
        claim = f"says it comes from topic {letter.says.topic!r}, which is not allowed by --to"
    raise click.UsageError(
        f"{letter.place} {claim}: nothing was sent; choose letters with --topic, --exception or --offset"
    )


def _require_topics(connection: Connection, names: Collection[str]) -> None:
    with closing(connection.consumer()) as consumer:
        missing = sorted(set(names) - consumer.topics())
    if missing:
        raise click.UsageError(f"there is no topic {missing[0]!r}: nothing was sent")
