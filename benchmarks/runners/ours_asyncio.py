"""kafka-parallel on an event loop."""

from __future__ import annotations

from functools import partial

from benchmarks.job import Job
from benchmarks.runners.clients import consumer
from benchmarks.runners.handlers import coroutine
from benchmarks.runners.ours_threads import plugins
from benchmarks.runners.stopwatch import Stopwatch
from kafka_parallel import ParallelConsumer


def _run(job: Job, *, ordering: str, with_plugins: bool = False) -> float:
    parallel = ParallelConsumer(
        consumer(job), workers=job.workers, ordering=ordering, plugins=plugins(job) if with_plugins else ()
    )
    watch = Stopwatch(job.records, parallel.stop)
    parallel.run(watch.timing_async(coroutine(job)))
    return watch.seconds


run = partial(_run, ordering="unordered")
run_by_key = partial(_run, ordering="key")
run_with_plugins = partial(_run, ordering="unordered", with_plugins=True)
