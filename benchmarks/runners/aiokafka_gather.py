"""aiokafka: gather a batch, as many handlers at once as allowed, then commit."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer

from benchmarks.job import Job
from benchmarks.runners.handlers import coroutine
from benchmarks.runners.stopwatch import Stopwatch

# As many as kafka-python's poll() brings.
BATCH = 500


def run(job: Job) -> float:
    """Handle the records of *job*; return the seconds it took."""
    return asyncio.run(_run(job))


async def _run(job: Job) -> float:
    consumer = AIOKafkaConsumer(
        job.topic,
        bootstrap_servers=job.bootstrap_servers,
        group_id=job.group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    watch = Stopwatch(job.records, lambda: None)
    timed = watch.timing_async(coroutine(job))
    free = asyncio.Semaphore(job.workers)

    async def handle(record: Any) -> None:
        async with free:
            await timed(record)

    while not watch.ended:
        batch = await consumer.getmany(timeout_ms=1000, max_records=max(BATCH, job.workers))
        await asyncio.gather(*(handle(record) for records in batch.values() for record in records))
        if batch:
            await consumer.commit()
    await consumer.stop()
    return watch.seconds
