"""How a replay sends letters, batch by batch, so that each is sent once."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kafka_parallel.cli.letters import Letter, Selection, read, records_until, spans
from kafka_parallel.dlq import PREVIOUS, is_control
from kafka_parallel.outbox import NULL_KEY, ExactBytes, close_producer

if TYPE_CHECKING:
    from kafka_parallel.cli.bookmark import Bookmark, Ends, Place
    from kafka_parallel.cli.connection import Connection
    from kafka_parallel.outbox import Pending

__all__ = ()

BATCH = 100
REPLAYED = "kafka-parallel.replayed"
VALUE_OMITTED = "kafka-parallel.value-omitted"
# How long the answers of one batch may take, in seconds.
BATCH_TIMEOUT = 60.0


def has_value(letter: Letter) -> bool:
    """Tell whether the letter has the value of its record; one that was too large has not."""
    return all(name != VALUE_OMITTED for name, _ in letter.record.headers)


class Replay:
    """Sends letters to their topics and keeps the bookmark.

    :param rate: most records per second; ``None`` = no limit.
    :param keep_headers: whether headers that tell of the failure stay.
    """

    def __init__(self, connection: Connection, bookmark: Bookmark, *, rate: float | None, keep_headers: bool) -> None:
        self._connection = connection
        self._bookmark = bookmark
        self._pause = 0.0 if rate is None else 1 / rate
        self._keep_headers = keep_headers
        self._consumer = connection.consumer()
        self._producer = connection.producer(key_serializer=ExactBytes())

    def close(self) -> None:
        """Close the clients."""
        self._consumer.close()
        close_producer(self._producer, BATCH_TIMEOUT * 1000)

    def replay_all(self, topic: str, selection: Selection, places: Collection[Place]) -> int:
        """Send the letters of *topic* at *places*; return how many were sent.

        :raises KafkaError: the broker refused one or did not answer; the next run finds out which letters arrived.
        """
        self._settle_open_batch(topic)
        left = set(places) - self._bookmark.sent
        chosen = (letter for letter in read(self._connection, topic, selection) if _place(letter) in left)
        with _progress() as bar:
            task = bar.add_task("sending", total=len(left))
            for batch in _batches(chosen):
                self._send(batch)
                bar.advance(task, len(batch))
        return len(left)

    def _settle_open_batch(self, topic: str) -> None:
        """Find out which letters of an interrupted batch arrived."""
        if self._bookmark.open_batch is None:
            return
        places, ends = self._bookmark.open_batch
        wanted = {self._mark(topic, place): place for place in places}
        arrived = {wanted[mark] for mark in self._marks_since(ends) if mark in wanted}
        self._bookmark.end(arrived)

    def _marks_since(self, ends: Ends) -> Iterator[bytes]:
        with closing(self._connection.consumer()) as consumer:
            for topic, offsets in ends.items():
                now = {partition: end for partition, (_, end) in spans(consumer, topic).items()}
                consumer.assign(list(now))
                for partition in now:
                    consumer.seek(partition, offsets.get(str(partition.partition), 0))
                for record in records_until(consumer, now):
                    yield from (value for name, value in record.headers if name == REPLAYED and value is not None)

    def _send(self, batch: list[Letter]) -> None:
        self._bookmark.begin([_place(letter) for letter in batch], self._ends(batch))
        pending = []
        for letter in batch:
            pending.append(self._hand_over(letter))
            time.sleep(self._pause)
        for answer in pending:
            answer.get(timeout=BATCH_TIMEOUT)
        self._bookmark.end([_place(letter) for letter in batch])

    def _ends(self, batch: list[Letter]) -> Ends:
        topics = sorted({str(letter.says.topic) for letter in batch})
        return {
            topic: {str(partition.partition): end for partition, (_, end) in spans(self._consumer, topic).items()}
            for topic in topics
        }

    def _hand_over(self, letter: Letter) -> Pending:
        record, topic = letter.record, str(letter.says.topic)
        headers = [header for header in record.headers if self._keep_headers or not _tells_of_failure(header[0])]
        mark = (REPLAYED, self._mark(record.topic, _place(letter)))
        pending: Pending = self._producer.send(
            topic,
            value=record.value,
            key=NULL_KEY if record.key is None and record.value is None else record.key,
            headers=[(name, value or b"") for name, value in headers if name != REPLAYED] + [mark],
            partition=self._partition(topic, letter.says.partition),
        )
        return pending

    def _partition(self, topic: str, original: int | None) -> int | None:
        """The original partition if the topic has it, else the one that the key belongs to."""
        return original if original in self._producer.partitions_for(topic) else None

    def _mark(self, topic: str, place: Place) -> bytes:
        return f"{self._bookmark.identity}/{topic}/{place[0]}/{place[1]}".encode()


def _place(letter: Letter) -> Place:
    return letter.record.partition, letter.record.offset


def _tells_of_failure(name: str) -> bool:
    return is_control(name) or name.startswith(PREVIOUS)


def _batches(letters: Iterator[Letter]) -> Iterator[list[Letter]]:
    while batch := list(islice(letters, BATCH)):
        yield batch


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))
