"""pyrallel-consumer in its asynchronous mode."""

from __future__ import annotations

import asyncio
from functools import partial
from operator import attrgetter

from pyrallel_consumer import PyrallelConsumer
from pyrallel_consumer.config import ExecutionConfig, KafkaConfig, ParallelConsumerConfig
from pyrallel_consumer.dto import ExecutionMode, OrderingMode

from benchmarks.job import Job
from benchmarks.runners.handlers import coroutine
from benchmarks.runners.stopwatch import Stopwatch


def _run(job: Job, *, ordering: str) -> float:
    return asyncio.run(_consume(job, OrderingMode(ordering)))


async def _consume(job: Job, ordering: OrderingMode) -> float:
    execution = ExecutionConfig(mode=ExecutionMode.ASYNC, max_in_flight=job.workers)
    config = KafkaConfig(
        BOOTSTRAP_SERVERS=[job.bootstrap_servers],
        CONSUMER_GROUP=job.group,
        AUTO_OFFSET_RESET="earliest",
        dlq_enabled=False,
        parallel_consumer=ParallelConsumerConfig(ordering_mode=ordering, execution=execution),
    )
    done = asyncio.Event()
    watch = Stopwatch(job.records, done.set, attrgetter("payload"))
    consumer = PyrallelConsumer(config, watch.timing_async(coroutine(job)), job.topic)
    await consumer.start()
    await done.wait()
    await consumer.stop()
    return watch.seconds


run = partial(_run, ordering="unordered")
run_by_key = partial(_run, ordering="key_hash")
