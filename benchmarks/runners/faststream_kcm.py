"""FastStream with the middleware of faststream-concurrent-aiokafka."""

from __future__ import annotations

import asyncio

from faststream import FastStream
from faststream.kafka import KafkaBroker
from faststream.middlewares import AckPolicy
from faststream_concurrent_aiokafka import (
    KafkaConcurrentProcessingMiddleware,
    initialize_concurrent_processing,
    stop_concurrent_processing,
)

from benchmarks.job import Job
from benchmarks.runners.handlers import coroutine
from benchmarks.runners.stopwatch import Stopwatch

COMMIT_BATCH = 100


def run(job: Job) -> float:
    """Handle the records of *job*; return the seconds it took."""
    return asyncio.run(_run(job))


async def _run(job: Job) -> float:
    broker = KafkaBroker(job.bootstrap_servers, logger=None)
    broker.add_middleware(KafkaConcurrentProcessingMiddleware)
    app = FastStream(broker)
    done = asyncio.Event()
    watch = Stopwatch(job.records, done.set, bytes)
    timed = watch.timing_async(coroutine(job))

    @broker.subscriber(job.topic, group_id=job.group, auto_offset_reset="earliest", ack_policy=AckPolicy.MANUAL)
    async def handle(body: bytes) -> None:
        await timed(body)

    await initialize_concurrent_processing(
        context=app.context, concurrency_limit=job.workers, commit_batch_size=COMMIT_BATCH
    )
    await broker.start()
    await done.wait()
    await stop_concurrent_processing(app.context)
    await broker.stop()
    return watch.seconds
