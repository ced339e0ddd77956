"""kafka-parallel with the plugin ``retry``, where one record in 200 may fail three times; only the others are timed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from kafka import KafkaConsumer

from benchmarks.runners.stopwatch import Stopwatch
from benchmarks.workloads import ONE_FAILS_IN, Workload
from kafka_parallel import ParallelConsumer

RETRY = ("retry", {"max_attempts": 4, "delay_ms": 200, "multiplier": 1, "jitter": 0})


def _run(workload: Workload, handle: Callable[[Any], Any], topic: str, config: dict[str, Any], *, fails: bool) -> float:
    parallel = ParallelConsumer(KafkaConsumer(topic, **config), workers=workload.workers, plugins=[RETRY])
    watch = Stopwatch(workload.records - workload.records // ONE_FAILS_IN, parallel.stop)
    timed, lock, failures = watch.timing(handle), threading.Lock(), Counter[bytes]()

    def attempt(record: Any) -> None:
        if int(record.value[:8]) % ONE_FAILS_IN:
            timed(record)
            return
        handle(record)
        with lock:
            failures[record.value] += 1
        if fails and failures[record.value] <= 3:
            raise OSError("not yet")

    parallel.run(attempt)
    return watch.seconds


run_without_failures = partial(_run, fails=False)
run_with_failures = partial(_run, fails=True)
