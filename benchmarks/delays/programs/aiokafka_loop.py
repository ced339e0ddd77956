"""aiokafka alone: get what is there, handle one by one, and let the client commit."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer

from benchmarks.delays.programs.ending import at_end_of_input
from benchmarks.delays.programs.handlers import coroutine
from benchmarks.delays.programs.notes import Notes
from benchmarks.delays.programs.setup import Setup

POLL_MS = 200


def run(setup: Setup) -> None:
    """Consume until the input ends."""
    asyncio.run(_run(setup))


async def _run(setup: Setup) -> None:
    consumer = AIOKafkaConsumer(*setup.topics, **setup.client())
    handle, ended, loop = coroutine(Notes(setup.log)), asyncio.Event(), asyncio.get_running_loop()
    await consumer.start()
    at_end_of_input(lambda: loop.call_soon_threadsafe(ended.set))
    while not ended.is_set():
        for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
            for record in records:
                await handle(record)
    await consumer.stop()
