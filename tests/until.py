"""Runs on a fake cluster that end for a condition: after a silence, a busy machine may have records left."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from kafka import TopicPartition

from kafka_parallel import Batch, ParallelConsumer
from kafka_parallel.testing import FakeCluster

# Seconds between two looks at the condition.
LOOK_EVERY = 0.002


def run_until(
    condition: Callable[[], bool], parallel: ParallelConsumer, handler: Any, batch: Batch | None = None
) -> None:
    """Run until *condition* is true, or until the run ends by itself; raise its error."""
    parallel.start(handler, batch)
    try:
        while parallel.state not in {"stopped", "failed"} and not condition():
            threading.Event().wait(LOOK_EVERY)
    finally:
        parallel.stop()
    parallel.join()


def is_committed(cluster: FakeCluster, group: str, topics: Iterable[str]) -> bool:
    """Tell whether *group* has committed all records of *topics*, looked at in this order."""
    return all(
        _is_committed(cluster, group, TopicPartition(topic, number))
        for topic in topics
        for number in cluster.partitions_of(topic)
    )


def _is_committed(cluster: FakeCluster, group: str, partition: TopicPartition) -> bool:
    records = cluster.logs[partition].read(0, 1_000_000, "read_committed")  # markers of transactions are no records
    found = cluster.committed(group, partition)
    return not records or (found is not None and bool(found.offset > records[-1].offset))
