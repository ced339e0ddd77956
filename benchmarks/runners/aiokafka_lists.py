"""aiokafka: the handler gets the list of each partition that a fetch brought, and the client commits."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer

from benchmarks.job import Job
from benchmarks.runners.stopwatch import Stopwatch

MOST = 1000


def run(job: Job) -> float:
    """Handle the records of *job*; return the seconds it took."""
    return asyncio.run(_run(job))


async def _run(job: Job) -> float:
    consumer = AIOKafkaConsumer(
        job.topic, bootstrap_servers=job.bootstrap_servers, group_id=job.group, auto_offset_reset="earliest"
    )
    await consumer.start()
    watch = Stopwatch(job.records, lambda: None)
    timed = watch.timing_batches()
    while not watch.ended:
        for records in (await consumer.getmany(timeout_ms=1000, max_records=MOST)).values():
            timed(records)
    await consumer.stop()
    return watch.seconds
