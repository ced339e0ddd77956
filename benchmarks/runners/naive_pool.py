"""kafka-python with a ThreadPoolExecutor, the usual recipe: poll, submit all, wait for all, commit."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kafka import KafkaConsumer

from benchmarks.runners.stopwatch import Stopwatch
from benchmarks.workloads import Workload


def run(workload: Workload, handle: Callable[[Any], Any] | None, topic: str, config: dict[str, Any]) -> float:
    """Handle the workload; return the seconds it took."""
    consumer = KafkaConsumer(topic, enable_auto_commit=False, **config)
    watch = Stopwatch(workload.records, lambda: None)
    timed, left = watch.timing(handle), workload.records
    with ThreadPoolExecutor(workload.workers) as pool:
        while left:
            batch = [record for records in consumer.poll(timeout_ms=1000).values() for record in records]
            for future in [pool.submit(timed, record) for record in batch]:
                future.result()
            left -= len(batch)
            consumer.commit()
    consumer.close()
    return watch.seconds
