"""sentry-arroyo, ``RunTaskInThreads``."""

from __future__ import annotations

from operator import attrgetter
from threading import Event, Thread

from arroyo.processing.strategies import CommitOffsets, RunTaskInThreads

from benchmarks.job import Job
from benchmarks.runners.arroyo_stream import stream
from benchmarks.runners.handlers import handler
from benchmarks.runners.stopwatch import Stopwatch

# As many as kafka-parallel buffers.
PENDING = 10_000


def run(job: Job) -> float:
    """Handle the records of *job*; return the seconds it took."""
    done = Event()
    watch = Stopwatch(job.records, done.set, attrgetter("payload.value"))
    timed = watch.timing(handler(job))
    processor = stream(job, lambda commit: RunTaskInThreads(timed, job.workers, PENDING, CommitOffsets(commit)))
    Thread(target=lambda: done.wait() and processor.signal_shutdown(), daemon=True).start()
    processor.run()
    return watch.seconds
