"""What must hold at every moment of a simulated run. It knows records and the broker, and nothing of our code."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition

from kafka_parallel.testing.simulation.fake_cluster import FakeCluster


class Violation(AssertionError):  # noqa: N818 - what it is
    """A promise was broken."""


class Checker:
    """Watches handlers and commits.

    :param lane_of: the ordering key of a record; ``None`` = it needs no order.
    """

    def __init__(self, cluster: FakeCluster, lane_of: Any) -> None:
        self._cluster = cluster
        self._lane_of = lane_of
        self._running: dict[tuple[str, TopicPartition, Hashable], int] = {}
        self._latest: dict[tuple[str, int, TopicPartition, Hashable], int] = {}
        self._periods: dict[tuple[str, TopicPartition], int] = {}
        self._committed: dict[TopicPartition, int] = {}
        self.done: dict[tuple[TopicPartition, int], int] = {}
        cluster.on_commit = self._commit

    def assigned(self, instance: str, partitions: frozenset[TopicPartition]) -> None:
        """Note that *instance* got *partitions*: it may see records again."""
        for partition in partitions:
            self._periods[instance, partition] = self._periods.get((instance, partition), 0) + 1

    def started(self, instance: str, record: Any) -> None:
        """Note that a handler began."""
        partition = TopicPartition(record.topic, record.partition)
        lane = self._lane_of(record)
        if lane is None:
            return
        place = (instance, partition, lane)
        if place in self._running:
            raise Violation(f"{partition} @{record.offset} began while @{self._running[place]} of its lane still ran")
        self._running[place] = record.offset
        latest = (instance, self._periods.get((instance, partition), 0), partition, lane)
        if record.offset < self._latest.get(latest, -1):
            raise Violation(f"{partition} @{record.offset} began after @{self._latest[latest]} of its lane")
        self._latest[latest] = record.offset

    def ended(self, instance: str, record: Any, *, is_done: bool) -> None:
        """Note that a handler ended; *is_done* if the record needs no more work."""
        partition = TopicPartition(record.topic, record.partition)
        self._running.pop((instance, partition, self._lane_of(record)), None)
        if is_done:
            self.finish(partition, record.offset)

    def finish(self, partition: TopicPartition, offset: int) -> None:
        """Note that a record needs no more work."""
        self.done[partition, offset] = self.done.get((partition, offset), 0) + 1

    def killed(self, instance: str) -> None:
        """Note that *instance* is gone, and all that ran in it."""
        self._running = {place: offset for place, offset in self._running.items() if place[0] != instance}

    def _commit(self, _: str, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        for partition, committed in offsets.items():
            for record in self._cluster.logs[partition]:
                if record.offset < committed.offset and (partition, record.offset) not in self.done:
                    raise Violation(f"{partition}: {committed.offset} was committed, but @{record.offset} is not done")
            if committed.offset < self._committed.get(partition, 0):
                raise Violation(f"{partition}: the commit went back from {self._committed[partition]} to {committed}")
            self._committed[partition] = committed.offset

    @property
    def is_complete(self) -> bool:
        """Whether every record is done and committed."""
        return all(
            self._committed.get(partition, 0) >= self._cluster.end(partition) for partition in self._cluster.logs
        )

    @property
    def repeats(self) -> int:
        """How often a record was finished beyond its first time."""
        return sum(count - 1 for count in self.done.values())
