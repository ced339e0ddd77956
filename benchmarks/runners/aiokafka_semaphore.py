"""aiokafka with a semaphore and auto-commit: fast, but it commits records that still run."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer

from benchmarks.job import Job
from benchmarks.runners.handlers import coroutine
from benchmarks.runners.stopwatch import Stopwatch


def run(job: Job) -> float:
    """Handle the records of *job*; return the seconds it took."""
    return asyncio.run(_run(job))


async def _run(job: Job) -> float:
    consumer = AIOKafkaConsumer(
        job.topic, bootstrap_servers=job.bootstrap_servers, group_id=job.group, auto_offset_reset="earliest"
    )
    await consumer.start()
    done = asyncio.Event()
    watch = Stopwatch(job.records, done.set)
    timed, free, tasks = watch.timing_async(coroutine(job)), asyncio.Semaphore(job.workers), set()

    async def handle(record: Any) -> None:
        try:
            await timed(record)
        finally:
            free.release()

    async def pull() -> None:
        while True:
            for records in (await consumer.getmany(timeout_ms=1000, max_records=500)).values():
                for record in records:
                    await free.acquire()
                    task = asyncio.create_task(handle(record))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)

    puller = asyncio.create_task(pull())
    await done.wait()
    puller.cancel()
    await consumer.stop()
    return watch.seconds
