"""A consumer whose ``poll()`` costs nothing: it hands out records that were made before the clock started.

The clock starts when every partition has had its first batch and all of these were handled, and stops with the last
record: the measurement is the cost of a record, not of a partition.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

from kafka import TopicPartition

from benchmarks.runners.stopwatch import Stopwatch
from kafka_parallel import ParallelConsumer
from kafka_parallel.testing import FakeCluster, FakeConsumer
from kafka_parallel.testing.fake.fetcher import Fetcher

TOPIC = "costs"
BATCH = 500
# Short enough that commits are made and confirmed while the clock runs.
COMMIT_INTERVAL_MS = 200


class PreparedFetcher(Fetcher):
    """Each fetch brings one prepared batch, and moves the position of its partition behind it as any fetch does.

    A batch holds records of one partition, as kafka-python's usually do, and the partitions take turns.

    :param consumer: whose records they are.
    :param records: how many it hands out after the first batch of each partition.
    :ivar handled: how many were handled.
    :ivar began_at: when the clock started, in processor seconds.
    """

    def __init__(self, consumer: FakeConsumer, cluster: FakeCluster, records: int, partitions: int) -> None:
        super().__init__(cluster, consumer._subscription, dict(consumer.config), consumer._questions)  # noqa: SLF001
        template = cluster.append(TOPIC, b"value", b"key", partition=0)
        self._batches = list(_batches(template, records + partitions * BATCH, partitions))[::-1]
        self._measured = records // BATCH
        self._first = partitions * BATCH
        self._has_joined = False
        self.handled: Callable[[], int]
        self.began_at = 0.0

    def fetched_records(self, max_records: int) -> tuple[dict[TopicPartition, list[Any]], bool]:
        """Hand out the next batch, or as much of it as there is room for, and say that this was all there is."""
        if not self._has_joined:  # a record from the poll that assigns its partition is given back
            self._has_joined = self._has_positions()
            return {}, False
        if not self._batches or max_records == 1:  # a poll that only keeps the member alive
            return {}, False
        if not self.began_at and len(self._batches) == self._measured:
            if self.handled() < self._first:
                return {}, False
            self.began_at = time.process_time()
        return self._next_batch(max_records), False

    def _has_positions(self) -> bool:
        """Look up where each assigned partition begins; tell whether all partitions are assigned."""
        for partition in self._subscription.assignment:
            self.find(partition)
        return len(self._subscription.assignment) * BATCH == self._first

    def _next_batch(self, max_records: int) -> dict[TopicPartition, list[Any]]:
        partition, records = self._batches.pop()
        state = self._subscription.assignment[partition]
        if state.position is not None and state.position.offset != records[0].offset:
            raise RuntimeError(f"{partition} was sought to {state.position}: what was handed out is not kept")
        if max_records < len(records):
            self._batches.append((partition, records[max_records:]))
            records = records[:max_records]
        state.seek(records[-1].offset + 1)
        return {partition: records}


class PreparedConsumer(FakeConsumer):
    """Joins its group, commits and is told of it like any consumer of the fake cluster; its records are prepared.

    :param records: how many it hands out after the first batch of each partition.
    """

    def __init__(self, records: int, partitions: int) -> None:
        cluster = FakeCluster()
        cluster.create_topic(TOPIC, partitions)
        config = {"auto_offset_reset": "earliest", "auto_commit_interval_ms": COMMIT_INTERVAL_MS}
        super().__init__(TOPIC, cluster=cluster, group_id="costs", **config)
        self._fetcher: PreparedFetcher = PreparedFetcher(self, cluster, records, partitions)

    def count_with(self, handled: Callable[[], int]) -> None:
        """Ask *handled* how many records were handled."""
        self._fetcher.handled = handled

    @property
    def began_at(self) -> float:
        """When the clock started, in processor seconds."""
        return self._fetcher.began_at


def _batches(template: Any, records: int, partitions: int) -> Iterator[tuple[TopicPartition, list[Any]]]:
    offsets = dict.fromkeys(range(partitions), 0)
    for number in range(records // BATCH):
        partition = number % partitions
        first = offsets[partition]
        offsets[partition] += BATCH
        made = [template._replace(partition=partition, offset=offset) for offset in range(first, first + BATCH)]
        yield TopicPartition(TOPIC, partition), made


def cost_of(records: int, *, partitions: int = 4, workers: int = 4) -> float:
    """Processor seconds per record, on threads, unlimited, in no order.

    Key order would share the cost of a unit among as many records of a key as there are, which depends on the size.
    """
    consumer, produced = PreparedConsumer(records, partitions), records + partitions * BATCH
    parallel = ParallelConsumer(
        consumer,
        workers=workers,
        ordering="unordered",
        max_buffered_records=produced,
        max_buffered_bytes=1 << 40,
        max_uncommitted=2 * produced,
        install_signal_handlers=False,
    )
    consumer.count_with(lambda: parallel.statistics().processed)
    ends: list[float] = []
    watch = Stopwatch(produced // BATCH * BATCH, lambda: (ends.append(time.process_time()), parallel.stop()))
    gc.collect()
    gc.freeze()  # looking through prepared objects is not a matter of the measurement
    parallel.run(watch.timing(None))
    gc.unfreeze()
    return (ends[0] - consumer.began_at) / records
