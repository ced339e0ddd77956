"""kafka-python with a ThreadPoolExecutor, the usual recipe: poll, submit all, wait for all, commit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from benchmarks.job import Job
from benchmarks.runners.clients import consumer
from benchmarks.runners.handlers import handler
from benchmarks.runners.stopwatch import Stopwatch


def run(job: Job) -> float:
    """Handle the records of *job*; return the seconds it took."""
    client = consumer(job, enable_auto_commit=False)
    watch = Stopwatch(job.records, lambda: None)
    timed = watch.timing(handler(job))
    with ThreadPoolExecutor(job.workers) as pool:
        while not watch.ended:
            batch = [record for records in client.poll(timeout_ms=1000).values() for record in records]
            for future in [pool.submit(timed, record) for record in batch]:
                future.result()
            client.commit()
    client.close()
    return watch.seconds
