"""One life of a consumer: a process that handles a topic until it is killed, or until its group has committed all."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition

from benchmarks.environments import ROOT, prepare_java
from kafka_parallel.testing.history import ENTRY, Produced, hash_of_key, hash_of_topic

OURS = (sys.executable, "-m", "benchmarks.crashes.logged_consumer")
Commits: TypeAlias = Mapping[TopicPartition, OffsetAndMetadata]  # offset 0 where there is none
# No condition is waited for longer, in seconds.
PATIENCE = 120
LOOK_EVERY = 0.01


@dataclass(frozen=True)
class Consumer:
    """A consumer and its settings.

    :ivar name: for tables.
    :ivar kind: of Java a commit mode; of kafka-parallel an executor, with plugins after it: "asyncio+offset-map".
    """

    name: str
    kind: str
    commit_interval_ms: int = 100
    ordering: str = "unordered"
    workers: int = 16

    @property
    def is_java(self) -> bool:
        """True for Confluent's Parallel Consumer."""
        return self.kind.isupper()


@dataclass(frozen=True)
class Place:
    """The topic and the group that lives share, and the history that they write."""

    bootstrap: str
    produced: Produced
    group: str
    history: Path

    def committed(self) -> Commits:
        """The newest commits of the group."""
        with self.watching() as committed:
            return committed()

    @contextmanager
    def watching(self) -> Iterator[Callable[[], Commits]]:
        """A function that asks for the newest commits of the group, for a block that asks often."""
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap, group_id=self.group, enable_auto_commit=False)
        partitions = [TopicPartition(self.produced.topic, number) for number in sorted(self.produced.keys)]

        def committed() -> Commits:
            found = {partition: consumer.committed(partition, metadata=True) for partition in partitions}
            return {partition: commit or OffsetAndMetadata(0, "", -1) for partition, commit in found.items()}

        try:
            yield committed
        finally:
            consumer.close(autocommit=False)


class Life:
    """A process that handles the records of *place*; leaving a ``with`` block kills it if it is still there.

    :param scale: factor for the handler times that the records give.
    """

    def __init__(self, consumer: Consumer, place: Place, scale: float = 1) -> None:
        program = [*prepare_java(), "LoggedConsumer"] if consumer.is_java else OURS
        topic = place.produced.topic
        numbers = [str(consumer.workers), str(consumer.commit_interval_ms)]
        of_place = [str(place.history), str(hash_of_topic(topic)), str(scale)]
        arguments = [place.bootstrap, topic, place.group, consumer.ordering, *numbers, consumer.kind, *of_place]
        place.history.touch()
        self._place = place
        self._size = place.history.stat().st_size
        self._process = subprocess.Popen([*program, *arguments], stdin=subprocess.PIPE, cwd=ROOT)

    @property
    def run(self) -> int:
        """The number of this life in the history."""
        return self._process.pid

    def __enter__(self) -> Life:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def wait_for(self, entries: int) -> None:
        """Wait until it has written so many entries."""
        size = self._size + entries * ENTRY.size
        self._wait(lambda: self._place.history.stat().st_size >= size, f"{entries} entries")

    def wait_for_a_map(self) -> None:
        """Wait until it has written a map of finished offsets into a commit."""
        with self._place.watching() as committed:
            self._wait(lambda: any(commit.metadata for commit in committed().values()), "a map")

    def wait_until_committed(self) -> None:
        """Wait until its group has committed everything, then let it end."""
        topic, keys = self._place.produced.topic, self._place.produced.keys
        ends = {TopicPartition(topic, partition): max(offsets) + 1 for partition, offsets in keys.items()}
        with self._place.watching() as committed:
            self._wait(lambda: all(commit.offset >= ends[p] for p, commit in committed().items()), "the last commit")
        self._process.stdin.close()  # type: ignore[union-attr]
        if self._process.wait(PATIENCE):
            raise RuntimeError(f"the consumer ended with {self._process.returncode}")

    def kill(self) -> None:
        """Kill it (SIGKILL), and wait for its end."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait(PATIENCE)
        if not self._process.stdin.closed:  # type: ignore[union-attr]
            self._process.stdin.close()  # type: ignore[union-attr]

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if self._process.poll() is not None:
                raise RuntimeError(f"the consumer ended with {self._process.returncode} before {what}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{PATIENCE} s passed before {what}")
            time.sleep(LOOK_EVERY)


def produce(bootstrap: str, topic: str, records: Iterable[tuple[int, bytes | None, float]]) -> Produced:
    """Send *records*: partition, key, and the seconds that a handler takes."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=20, acks="all")
    placed: dict[int, dict[int, bytes | None]] = {}
    sent = []
    for partition, key, seconds in records:
        value = b"%d %d" % (round(seconds * 1e6), hash_of_key(key))
        sent.append((key, producer.send(topic, key=key, value=value, partition=partition)))
    producer.flush()
    for key, future in sent:
        metadata = future.get(timeout=PATIENCE)
        placed.setdefault(metadata.partition, {})[metadata.offset] = key
    producer.close()
    return Produced(topic, placed)
