"""Lists the dead-letter topics and the number of letters in them."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from kafka_parallel.cli.connection import with_connection
from kafka_parallel.cli.header_scan import MOST_TOPICS, topics_of_letters
from kafka_parallel.cli.letters import spans
from kafka_parallel.cli.output import show_json, show_table

if TYPE_CHECKING:
    from kafka import KafkaConsumer

    from kafka_parallel.cli.connection import Connection

__all__ = ()

# As kafka-parallel, Spring Kafka (old and new), KIP-1191, Spring Cloud Stream, SmallRye and fastkafka2 name them.
USUAL_NAMES = re.compile(r"(-dlq|-dlt|\.DLT|\.DLQ|\.dlq|\.dead)$|^(dlq\.|error\.|dead-letter-topic-)")


class Pattern(click.ParamType):  # type: ignore[type-arg] # only generic since click 8.2
    """A regular expression."""

    name = "regex"

    def convert(self, value: Any, param: Any, ctx: Any) -> re.Pattern[str]:
        """Compile the pattern."""
        try:
            return re.compile(value)
        except re.error as error:
            self.fail(f"{value!r} is no regular expression: {error}", param, ctx)


@click.command()
@click.option(
    "--pattern", type=Pattern(),
    help="Topics to list, by their names. Without it: those with the usual names, and those whose newest records have "
    "headers that tell of a failure.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object per topic.")
@with_connection
def ls(connection: Connection, pattern: re.Pattern[str] | None, *, as_json: bool) -> None:
    """List dead-letter topics and how many records they hold."""
    with closing(connection.consumer()) as consumer:
        topics = consumer.topics()
        named = {name for name in topics if (pattern or USUAL_NAMES).search(name)}
        held = set() if pattern else _by_headers(consumer, topics - named)
        found = {name: spans(consumer, name) for name in sorted(named | held)}
    rows = [
        (name, len(span), sum(end - first for first, end in span.values()), "headers" if name in held else "name")
        for name, span in found.items()
    ]
    if as_json:
        for name, partitions, offsets, found_by in rows:
            show_json({"topic": name, "partitions": partitions, "offsets": offsets, "found_by": found_by})
    else:
        show_table(("topic", "partitions", "offsets", "found by"), rows)


def _by_headers(consumer: KafkaConsumer, names: Collection[str]) -> set[str]:
    """The topics that hold dead letters, although they have no usual name."""
    looked_at = [name for name in sorted(names) if not name.startswith("__")][:MOST_TOPICS]
    if len(looked_at) == MOST_TOPICS:
        click.echo(f"only {MOST_TOPICS} topics without a usual name were looked at: name others by --pattern", err=True)
    return topics_of_letters(consumer, looked_at)
