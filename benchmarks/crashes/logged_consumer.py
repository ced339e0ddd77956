"""kafka-parallel, whose handlers append their starts and ends to a history; it ends with its standard input.

``benchmarks/java/LoggedConsumer.java`` is the same with Confluent's Parallel Consumer: same arguments, same records
(handler time in microseconds, hash of the key), same history. The seventh argument, Java's commit mode, is the executor
here, with the plugins after it: ``thread-pool+offset-map``.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from kafka import KafkaConsumer

from kafka_parallel import ParallelConsumer
from kafka_parallel.testing.history import History


def main() -> None:
    bootstrap, topic, group, ordering, workers, commit_interval_ms, kind, history, _, scale = sys.argv[1:]
    executor, *plugins = kind.split("+")
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        group_instance_id="the-only-one",
        auto_offset_reset="earliest",
        auto_commit_interval_ms=int(commit_interval_ms),
    )
    parallel = ParallelConsumer(consumer, ordering=ordering, workers=int(workers), executor=executor, plugins=plugins)
    threading.Thread(target=_stop_with_the_input, args=(parallel,), daemon=True).start()
    make = _coroutine if executor == "asyncio" else _function
    parallel.run(History(history).recording(make(float(scale))))


def _stop_with_the_input(parallel: ParallelConsumer) -> None:
    sys.stdin.read()
    parallel.stop()


def _function(scale: float) -> Callable[[Any], Any]:
    return lambda record: time.sleep(_seconds(record) * scale)


def _coroutine(scale: float) -> Callable[[Any], Any]:
    async def handle(record: Any) -> None:
        await asyncio.sleep(_seconds(record) * scale)

    return handle


def _seconds(record: Any) -> float:
    return int(record.value.split()[0]) / 1e6


if __name__ == "__main__":
    main()
