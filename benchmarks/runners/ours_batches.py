"""kafka-parallel with a handler of batches, on threads."""

from __future__ import annotations

from functools import partial

from benchmarks.job import Job
from benchmarks.runners.clients import consumer
from benchmarks.runners.stopwatch import Stopwatch
from kafka_parallel import Batch, ParallelConsumer

# A batch that does not get full waits no longer; here it does as long as records are waiting.
WAIT_MS = 5


def _run(job: Job, *, size: int) -> float:
    parallel = ParallelConsumer(consumer(job), workers=job.workers, ordering="unordered")
    watch = Stopwatch(job.records, parallel.stop)
    parallel.run(watch.timing_batches(), Batch(max_records=size, max_wait_ms=WAIT_MS))
    return watch.seconds


run_of_1 = partial(_run, size=1)
run_of_10 = partial(_run, size=10)
run_of_1000 = partial(_run, size=1000)
