"""kafka-parallel with the plugin ``retry``, where one record in 200 may fail three times; only the others are timed."""

from __future__ import annotations

import threading
from collections import Counter
from functools import partial
from typing import Any

from benchmarks.job import Job
from benchmarks.runners.clients import consumer
from benchmarks.runners.handlers import number_of, sleep
from benchmarks.runners.stopwatch import Stopwatch
from benchmarks.workloads import ONE_FAILS_IN
from kafka_parallel import ParallelConsumer

RETRY = ("retry", {"max_attempts": 4, "delay_ms": 200, "multiplier": 1, "jitter": 0})


def _run(job: Job, *, fails: bool) -> float:
    parallel = ParallelConsumer(consumer(job), workers=job.workers, plugins=[RETRY])
    watch = Stopwatch(job.records - len(range(0, job.records, ONE_FAILS_IN)), parallel.stop)
    timed, lock, failures = watch.timing(sleep), threading.Lock(), Counter[bytes]()

    def attempt(record: Any) -> None:
        if number_of(record.value) % ONE_FAILS_IN:
            timed(record)
            return
        sleep(record.value)
        with lock:
            failures[record.value] += 1
        if fails and failures[record.value] <= 3:
            raise OSError("not yet")

    parallel.run(attempt)
    return watch.seconds


run_without_failures = partial(_run, fails=False)
run_with_failures = partial(_run, fails=True)
