"""sentry-arroyo, ``RunTaskWithMultiprocessing``."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from arroyo.processing.strategies import CommitOffsets, RunTaskWithMultiprocessing
from arroyo.processing.strategies.run_task_with_multiprocessing import MultiprocessingPool

from benchmarks.job import Job
from benchmarks.runners import handler_log
from benchmarks.runners.arroyo_stream import stream

PATIENCE = 120
BATCH, BATCH_SECONDS = 100, 0.1


def handle(message: Any) -> None:
    """The handler of the processes."""
    handler_log.compute_and_log(message.payload.value)


def run(job: Job) -> float:
    """Handle the records of *job* in as many processes as it has workers."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        os.environ[handler_log.VARIABLE] = str(log)
        pool = MultiprocessingPool(job.workers)
        processor = stream(
            job,
            lambda commit: RunTaskWithMultiprocessing(handle, CommitOffsets(commit), BATCH, BATCH_SECONDS, pool),
        )
        threading.Thread(target=_stop_at_end, args=(processor, log, job.records), daemon=True).start()
        processor.run()
        pool.close()
        return handler_log.seconds(log, job.records)


def _stop_at_end(processor: Any, log: Path, records: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while handler_log.count(log) < records and time.monotonic() < deadline:
        time.sleep(0.02)
    processor.signal_shutdown()
