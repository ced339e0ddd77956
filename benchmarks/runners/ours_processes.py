"""kafka-parallel on several processes, for handlers that compute."""

from __future__ import annotations

import os
import tempfile
import time
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from benchmarks.job import Job
from benchmarks.runners import handler_log
from benchmarks.runners.clients import consumer
from benchmarks.runners.skipped import Skipped
from kafka_parallel import ParallelConsumer

PATIENCE = 120


def handle(record: Any) -> None:
    """The handler of the processes."""
    handler_log.compute_and_log(record.value)


def run(job: Job) -> float:
    """Handle the records of *job* in as many processes as it has workers."""
    if "process-pool" not in entry_points(group="kafka_parallel").names:
        raise Skipped("the executor process-pool is not there")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        os.environ[handler_log.VARIABLE] = str(log)
        parallel = ParallelConsumer(consumer(job), workers=job.workers, ordering="unordered", executor="process-pool")
        parallel.start(handle)
        deadline = time.monotonic() + PATIENCE
        while handler_log.count(log) < job.records and time.monotonic() < deadline:
            time.sleep(0.02)
        parallel.stop()
        parallel.join()
        return handler_log.seconds(log, job.records)
