"""kafka-python alone: poll, handle one by one, commit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.job import Job
from benchmarks.runners.clients import consumer
from benchmarks.runners.handlers import handler
from benchmarks.runners.stopwatch import Stopwatch


def run(job: Job) -> float:
    """Commit after every poll, as a loop must that cannot lose a record."""
    client = consumer(job, enable_auto_commit=False)
    return _loop(client, job, client.commit)


def run_auto_commit(job: Job) -> float:
    """Let the client commit every five seconds."""
    return _loop(consumer(job), job, lambda: None)


def _loop(client: Any, job: Job, commit: Callable[[], Any]) -> float:
    watch = Stopwatch(job.records, lambda: None)
    timed = watch.timing(handler(job))
    while not watch.ended:
        for records in client.poll(timeout_ms=1000).values():
            for record in records:
                timed(record)
        commit()
    client.close()
    return watch.seconds
