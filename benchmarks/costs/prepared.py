"""A consumer whose ``poll()`` costs nothing: it hands out records that were made before the clock started.

The clock starts when every partition has had its first batch and all of these were handled, and stops with the last
record: what is measured is what a record costs, not what a partition costs once.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from kafka import TopicPartition

from benchmarks.runners.stopwatch import Stopwatch
from kafka_parallel import ParallelConsumer
from kafka_parallel.testing import FakeCluster, FakeConsumer

TOPIC = "costs"
BATCH = 500
# Short enough that commits are made and confirmed while the clock runs.
COMMIT_INTERVAL_MS = 200


class PreparedConsumer(FakeConsumer):
    """Joins its group like any consumer of the fake cluster; then each poll brings one prepared batch.

    A batch holds records of one partition, as kafka-python's usually do, and the partitions take turns.

    :param records: how many it hands out after the first batch of each partition.
    :ivar handled: how many were handled.
    :ivar began_at: when the clock started, in processor seconds.
    """

    def __init__(self, records: int, partitions: int) -> None:
        cluster = FakeCluster()
        cluster.create_topic(TOPIC, partitions)
        template = cluster.append(TOPIC, b"value", b"key", partition=0)
        config = {"auto_offset_reset": "earliest", "auto_commit_interval_ms": COMMIT_INTERVAL_MS}
        super().__init__(TOPIC, cluster=cluster, group_id="costs", **config)
        self._batches = list(_batches(template, records + partitions * BATCH, partitions))[::-1]
        self._measured = records // BATCH
        self._partitions = partitions
        self._has_joined = False
        self.handled: Callable[[], int]
        self.began_at = 0.0

    def poll(self, timeout_ms: float = 0, max_records: int | None = None, update_offsets: bool = True) -> Any:  # noqa: FBT001, FBT002
        """Join first; then hand out the next batch, or as much of it as there is room for."""
        if not self._has_joined:
            super().poll(timeout_ms, 1, update_offsets)
            self._has_joined = len(self.assignment()) == self._partitions
            return {}
        if not self._batches or max_records == 1:  # a poll that only keeps the member alive
            threading.Event().wait(timeout_ms / 1000)
            return {}
        if not self.began_at and len(self._batches) == self._measured:
            if self.handled() < self._partitions * BATCH:
                threading.Event().wait(0.001)
                return {}
            self.began_at = time.process_time()
        partition, records = self._batches.pop()
        if max_records is not None and max_records < len(records):
            self._batches.append((partition, records[max_records:]))
        return {partition: records[:max_records]}


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
    consumer.handled = lambda: parallel.statistics().processed
    ends: list[float] = []
    watch = Stopwatch(produced // BATCH * BATCH, lambda: (ends.append(time.process_time()), parallel.stop()))
    gc.collect()
    gc.freeze()  # looking through what was prepared is not a matter of what is measured
    parallel.run(watch.timing(None))
    gc.unfreeze()
    return (ends[0] - consumer.began_at) / records
