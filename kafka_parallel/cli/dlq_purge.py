"""Deletes dead letters that are no longer needed."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

import click
from kafka import KafkaConsumer, TopicPartition

from kafka_parallel.cli.connection import with_connection
from kafka_parallel.cli.letters import Selection, read, spans
from kafka_parallel.cli.moments import Moment
from kafka_parallel.cli.output import show_table

if TYPE_CHECKING:
    from kafka_parallel.cli.connection import Connection

__all__ = ()

# How many records are looked at before anything is deleted.
LOOKED_AT = 100


@click.command()
@click.argument("dead_letter_topic")
@click.option(
    "--until", type=Moment(), metavar="TIME", help="Delete letters written before that time (UTC; 7d = a week ago)."
)
@click.option("--all", "everything", is_flag=True, help="Delete all there is now.")
@click.option("--unchecked", is_flag=True, help="Also where records have no header that tells of a failure.")
@click.option("--execute", is_flag=True, help="Delete; without this the command only says how many it would.")
@with_connection
def purge(
    connection: Connection,
    dead_letter_topic: str,
    until: datetime | None,
    *,
    everything: bool,
    unchecked: bool,
    execute: bool,
) -> None:
    """Delete dead letters from the beginning of each partition. Kafka can delete nothing else."""
    if (until is None) == (not everything):
        raise click.UsageError("choose the letters to delete: either --until TIME or --all")
    with closing(connection.consumer()) as consumer:
        span = spans(consumer, dead_letter_topic)
        ends = {partition: end for partition, (_, end) in span.items()}
        targets = ends if until is None else _first_at(consumer, until, ends)
    if not unchecked:
        _require_dead_letters(connection, dead_letter_topic)
    rows = [(p.partition, span[p][0], targets[p], targets[p] - span[p][0]) for p in span if targets[p] > span[p][0]]
    show_table(("partition", "from", "below", "offsets"), rows)
    if not execute:
        click.echo("nothing was deleted: add --execute to do it")
        return
    with closing(connection.admin()) as admin:
        admin.delete_records({TopicPartition(dead_letter_topic, row[0]): row[2] for row in rows})
    click.echo(f"{sum(row[3] for row in rows)} offsets were deleted")


def _require_dead_letters(connection: Connection, topic: str) -> None:
    """Refuse a topic whose first records do not tell of failures: its name may be misspelt.

    :raises click.UsageError: naming the record.
    """
    for letter in islice(read(connection, topic, Selection()), LOOKED_AT):
        if not letter.says.dialects:
            raise click.UsageError(
                f"{letter.place} has no header that tells of a failure, so {topic!r} may be no dead-letter topic: "
                "nothing was deleted; add --unchecked if it is one"
            )


def _first_at(consumer: KafkaConsumer, moment: datetime, ends: dict[TopicPartition, int]) -> dict[TopicPartition, int]:
    """Return the first offset of each partition that was written at *moment* or later; its end if there is none."""
    found = consumer.offsets_for_times(dict.fromkeys(ends, int(moment.timestamp() * 1000)))
    return {
        partition: end if found.get(partition) is None else found[partition].offset for partition, end in ends.items()
    }
