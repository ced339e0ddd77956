"""kafka-parallel on threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from benchmarks.job import Job
from benchmarks.runners.clients import consumer
from benchmarks.runners.handlers import handler
from benchmarks.runners.stopwatch import Stopwatch
from kafka_parallel import ParallelConsumer


def three_plugins(job: Job) -> Sequence[Any]:
    """The plugins that are switched on together to see what they cost while nothing fails."""
    return ("timing-metrics", "retry", ("dlq", {"topic": f"{job.topic}-dlq"}))


def fast_decoder(_: Job) -> Sequence[Any]:
    """Only that one."""
    return ("fast-decoder",)


def no_plugins(_: Job) -> Sequence[Any]:
    """As it comes."""
    return ()


def _run(job: Job, *, ordering: str, plugins: Callable[[Job], Sequence[Any]] = no_plugins) -> float:
    parallel = ParallelConsumer(consumer(job), workers=job.workers, ordering=ordering, plugins=plugins(job))
    watch = Stopwatch(job.records, parallel.stop)
    parallel.run(watch.timing(handler(job)))
    return watch.seconds


run = partial(_run, ordering="unordered")
run_by_key = partial(_run, ordering="key")
run_with_plugins = partial(_run, ordering="unordered", plugins=three_plugins)
run_with_fast_decoder = partial(_run, ordering="unordered", plugins=fast_decoder)
