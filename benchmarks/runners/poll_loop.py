"""kafka-python alone: poll, handle one by one, commit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kafka import KafkaConsumer

from benchmarks.runners.stopwatch import Stopwatch
from benchmarks.workloads import Workload


def run(workload: Workload, handle: Callable[[Any], Any] | None, topic: str, config: dict[str, Any]) -> float:
    """Commit after every poll, as a loop must that cannot lose a record; return the seconds it took."""
    consumer = KafkaConsumer(topic, enable_auto_commit=False, **config)
    return _loop(consumer, workload, handle, consumer.commit)


def run_auto_commit(
    workload: Workload, handle: Callable[[Any], Any] | None, topic: str, config: dict[str, Any]
) -> float:
    """Let the client commit every five seconds; return the seconds it took."""
    return _loop(KafkaConsumer(topic, **config), workload, handle, lambda: None)


def _loop(consumer: Any, workload: Workload, handle: Callable[[Any], Any] | None, commit: Callable[[], Any]) -> float:
    watch = Stopwatch(workload.records, lambda: None)
    timed, left = watch.timing(handle), workload.records
    while left:
        for records in consumer.poll(timeout_ms=1000).values():
            for record in records:
                timed(record)
            left -= len(records)
        commit()
    consumer.close()
    return watch.seconds
