"""Lists the dead-letter topics and the number of letters in them."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from kafka_parallel.cli.connection import with_connection
from kafka_parallel.cli.letters import spans
from kafka_parallel.cli.output import show_json, show_table

if TYPE_CHECKING:
    from kafka_parallel.cli.connection import Connection

__all__ = ()

# As kafka-parallel, Spring Kafka (old and new), KIP-1191, Spring Cloud Stream, SmallRye and fastkafka2 name them.
USUAL_NAMES = r"(-dlq|-dlt|\.DLT|\.DLQ|\.dlq|\.dead)$|^(dlq\.|error\.|dead-letter-topic-)"


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
@click.option("--pattern", type=Pattern(), default=USUAL_NAMES, help="Topics to list instead of the usual names.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per topic.")
@with_connection
def ls(connection: Connection, pattern: re.Pattern[str], *, as_json: bool) -> None:
    """List dead-letter topics and how many records they hold."""
    with closing(connection.consumer()) as consumer:
        names = sorted(name for name in consumer.topics() if pattern.search(name))
        found = {name: spans(consumer, name) for name in names}
    rows = [(name, len(span), sum(end - first for first, end in span.values())) for name, span in found.items()]
    if as_json:
        for name, partitions, offsets in rows:
            show_json({"topic": name, "partitions": partitions, "offsets": offsets})
    else:
        show_table(("topic", "partitions", "offsets"), rows)
