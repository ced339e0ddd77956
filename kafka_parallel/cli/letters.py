"""Reads the chosen records of a dead-letter topic: those there are when the command begins."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from kafka import KafkaConsumer, TopicPartition

from kafka_parallel._runtime.client.connections import Connections
from kafka_parallel.cli.connection import NoBroker
from kafka_parallel.cli.moments import Moment
from kafka_parallel.dlq import DeadLetter, parse

if TYPE_CHECKING:
    from kafka_parallel.cli.connection import Connection

__all__ = ()

# How long nothing may come before the end is reached, in seconds.
PATIENCE = 30.0
# When that is said, in seconds: a person waits.
SAID_AFTER = 2.5


class Letter(NamedTuple):
    """A record of a dead-letter topic, and the claims of its headers."""

    record: Any
    says: DeadLetter

    @property
    def place(self) -> str:
        """The topic, partition and offset of the letter, as text."""
        return f"{self.record.topic}[{self.record.partition}]@{self.record.offset}"


@dataclass(frozen=True)
class Selection:
    """The conditions that choose letters; every condition that is given must hold.

    :ivar exception: the name of the exception's class, or its last part.
    :ivar topic: the topic of the record that failed, as the letter says.
    :ivar since: letters written at that time or later.
    :ivar until: letters written before that time.
    :ivar offsets: first and last offset in the dead-letter topic, per partition.
    """

    exception: str | None = None
    topic: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    offsets: tuple[tuple[int, int, int], ...] = ()

    def has(self, letter: Letter) -> bool:
        """Tell whether *letter* is meant."""
        record, says = letter
        return (
            (self.exception is None or _names(says.exception, self.exception))
            and (self.topic is None or says.topic == self.topic)
            and (self.since is None or record.timestamp >= _ms(self.since))
            and (self.until is None or record.timestamp < _ms(self.until))
            and (not self.offsets or any(record.partition == p and a <= record.offset <= b for p, a, b in self.offsets))
        )


def _names(full: str | None, name: str) -> bool:
    return full is not None and (full == name or full.endswith(("." + name, "$" + name)))


def _ms(moment: datetime) -> float:
    return moment.timestamp() * 1000


def read(connection: Connection, topic: str, selection: Selection) -> Iterator[Letter]:
    """Read the letters of *topic* that are meant, partition by partition as they come.

    :raises click.UsageError: there is no such topic.
    :raises NoBroker: nothing comes although the end is not reached.
    """
    with closing(connection.consumer()) as consumer:
        ends = spans(consumer, topic)
        consumer.assign(list(ends))
        consumer.seek_to_beginning(*ends)
        for record in records_until(consumer, {partition: end for partition, (_, end) in ends.items()}):
            letter = Letter(record, parse(record.headers))
            if selection.has(letter):
                yield letter


def spans(consumer: KafkaConsumer, topic: str) -> dict[TopicPartition, tuple[int, int]]:
    """Return the first offset of each partition of *topic*, and the one after the last.

    :raises click.UsageError: there is no such topic.
    """
    numbers = consumer.partitions_for_topic(topic)
    if not numbers:
        raise click.UsageError(f"there is no topic {topic!r}")
    partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
    firsts, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
    return {partition: (firsts[partition], ends[partition]) for partition in partitions}


def records_until(consumer: KafkaConsumer, ends: dict[TopicPartition, int]) -> Iterator[Any]:
    """Read on from the consumer's positions up to *ends*; offsets that hold no record are passed over.

    :raises NoBroker: nothing comes although the end is not reached; that it is waited for is said before.
    """
    since, has_said = monotonic(), False
    while True:
        left = {partition for partition, end in ends.items() if _is_below(consumer, partition, end)}
        if not left:
            return
        consumer.pause(*(set(ends) - left))
        batch = consumer.poll(timeout_ms=500)
        silent = 0.0 if batch else monotonic() - since
        since, has_said = (monotonic(), False) if batch else (since, has_said)
        if silent > PATIENCE:
            raise NoBroker(f"nothing came for {PATIENCE:g} s, with {len(left)} partitions not read to their end")
        if silent > SAID_AFTER and not has_said:
            has_said = True
            _say_silence(consumer, len(left))
        for partition, records in batch.items():
            yield from (record for record in records if record.offset < ends[partition])


def _say_silence(consumer: KafkaConsumer, left: int) -> None:
    """Say that nothing comes, and whether that is for want of a connection."""
    connections = Connections(consumer)
    why = "no broker is connected" if connections.has_none() else "a broker is connected and sends nothing"
    click.echo(
        f"nothing has come for {SAID_AFTER:g} s from {', '.join(connections.addresses())} ({why}), with {left} "
        f"partitions not read to their end: waiting up to {PATIENCE:g} s",
        err=True,
    )


def _is_below(consumer: KafkaConsumer, partition: TopicPartition, end: int) -> bool:
    """True if the position is below *end*, or not known yet: before 2.3 only poll() asks for it."""
    position = consumer.position(partition, timeout_ms=0)
    return position is None or position < end


def with_selection(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give *command* the options that choose letters, and call it with a `Selection` instead."""

    @click.option("--exception", help="Class of the exception, with or without its module.")
    @click.option("--topic", "source", help="Topic of the record that failed.")
    @click.option(
        "--since", type=Moment(), metavar="TIME", help="Letters written at that time (UTC; 1h = an hour ago) or later."
    )
    @click.option("--until", type=Moment(), metavar="TIME", help="Letters written before that time (UTC, or 7d).")
    @click.option("--offset", "offsets", type=Offsets(), multiple=True, help="PARTITION:FIRST[-LAST]; may be repeated.")
    @wraps(command)
    def selected(
        *args: Any, exception: str | None, source: str | None, since: Any, until: Any, offsets: Any, **options: Any
    ) -> Any:
        return command(*args, Selection(exception, source, since, until, tuple(offsets)), **options)

    return selected


class Offsets(click.ParamType):  # type: ignore[type-arg] # only generic since click 8.2
    """A range of offsets in one partition, both ends included."""

    name = "offsets"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int, int]:
        """Read it."""
        found = re.fullmatch(r"(\d{1,10}):(\d{1,19})(?:-(\d{1,19}))?", value)
        if found is None:
            self.fail(f"{value!r} is not PARTITION:FIRST or PARTITION:FIRST-LAST", param, ctx)
        partition, first, last = found.groups()
        if last is not None and int(last) < int(first):
            self.fail(f"{value!r} ends before it begins", param, ctx)
        return int(partition), int(first), int(first if last is None else last)
