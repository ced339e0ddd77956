"""kafka-parallel on threads and on an event loop."""

from __future__ import annotations

import asyncio
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


def run_asyncio(workload: Workload, _: Callable[[Any], Any] | None, topic: str, config: dict[str, Any]) -> float:
    """Handle the workload in no order with an ``async def`` handler; return the seconds it took."""
    parallel = ParallelConsumer(KafkaConsumer(topic, **config), workers=workload.workers, ordering="unordered")
    watch, times = Stopwatch(workload.records, parallel.stop), workload.times
    timed = watch.timing(None)
    began = watch.beginning()

    async def sleep(record: Any) -> None:
        began()
        if workload.seconds is not None:
            await asyncio.sleep(times[int(record.value[:8])])
        timed(record)

    parallel.run(sleep)
    return watch.seconds


def _run(workload: Workload, handle: Callable[[Any], Any] | None, consumer: Any, ordering: str) -> float:
    parallel = ParallelConsumer(consumer, workers=workload.workers, ordering=ordering)
    watch = Stopwatch(workload.records, parallel.stop)
    parallel.run(watch.timing(handle))
    return watch.seconds
