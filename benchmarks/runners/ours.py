"""kafka-parallel, with handlers of any kind: the common part of `ours_threads` and `ours_asyncio`.

It imports neither kind: the needs of one of them would count in the memory of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.job import Job
from benchmarks.runners.clients import consumer
from benchmarks.runners.stopwatch import Stopwatch
from kafka_parallel import ParallelConsumer
from kafka_parallel_plugins.fast_decoder.compiled import compiled_decoder as find_compiled_decoder


def three_plugins(job: Job) -> Sequence[Any]:
    """The plugins that are switched on together to see their cost while nothing fails."""
    return ("timing-metrics", "retry", ("dlq", {"topic": f"{job.topic}-dlq"}))


def clients_decoder(_: Job) -> Sequence[Any]:
    """None, and records are decoded by kafka-python itself."""
    return ("no:fast-decoder",)


def compiled_decoder(_: Job) -> Sequence[Any]:
    """None, and it is an error if the compiled decoder is not used: it would be measured as the one in Python."""
    if find_compiled_decoder() is None:
        raise RuntimeError("kafka-parallel-compiled is not installed")
    return ()


def no_plugins(_: Job) -> Sequence[Any]:
    """As it comes."""
    return ()


def measure(
    job: Job,
    timed_handler: Callable[[Job, Stopwatch], Callable[[Any], Any]],
    *,
    ordering: str = "unordered",
    plugins: Callable[[Job], Sequence[Any]] = no_plugins,
) -> float:
    """Handle the records of *job*; return the seconds that this took."""
    parallel = ParallelConsumer(consumer(job), workers=job.workers, ordering=ordering, plugins=plugins(job))
    watch = Stopwatch(job.records, parallel.stop)
    parallel.run(timed_handler(job, watch))
    return watch.seconds
