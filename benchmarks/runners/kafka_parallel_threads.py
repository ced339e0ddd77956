"""kafka-parallel on threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kafka import KafkaConsumer

from benchmarks.runners.stopwatch import Stopwatch
from benchmarks.workloads import Workload
from kafka_parallel import ParallelConsumer


def run(workload: Workload, handle: Callable[[Any], Any] | None, topic: str, config: dict[str, Any]) -> float:
    """Handle the workload in no order; return the seconds it took."""
    return _run(workload, handle, KafkaConsumer(topic, **config), "unordered")


def run_by_key(workload: Workload, handle: Callable[[Any], Any] | None, topic: str, config: dict[str, Any]) -> float:
    """Handle the workload in order per key; return the seconds it took."""
    return _run(workload, handle, KafkaConsumer(topic, **config), "key")


def _run(workload: Workload, handle: Callable[[Any], Any] | None, consumer: Any, ordering: str) -> float:
    parallel = ParallelConsumer(consumer, workers=workload.workers, ordering=ordering)
    watch = Stopwatch(workload.records, parallel.stop)
    parallel.run(watch.timing(handle))
    return watch.seconds
