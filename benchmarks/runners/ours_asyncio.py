"""kafka-parallel on an event loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from benchmarks.job import Job
from benchmarks.runners.clients import consumer
from benchmarks.runners.handlers import coroutine
from benchmarks.runners.ours_threads import fast_decoder, no_plugins, three_plugins
from benchmarks.runners.stopwatch import Stopwatch
from kafka_parallel import ParallelConsumer


def _run(job: Job, *, ordering: str, plugins: Callable[[Job], Sequence[Any]] = no_plugins) -> float:
    parallel = ParallelConsumer(consumer(job), workers=job.workers, ordering=ordering, plugins=plugins(job))
    watch = Stopwatch(job.records, parallel.stop)
    parallel.run(watch.timing_async(coroutine(job)))
    return watch.seconds


run = partial(_run, ordering="unordered")
run_by_key = partial(_run, ordering="key")
run_with_plugins = partial(_run, ordering="unordered", plugins=three_plugins)
run_with_fast_decoder = partial(_run, ordering="unordered", plugins=fast_decoder)
