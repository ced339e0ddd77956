"""The work of one record: handlers of a value, the same for every runner."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from benchmarks.job import Job
from benchmarks.workloads import Kind

# Takes about a millisecond with CPython 3.11 on the machine this was written on.
TURNS = 22_000


def seconds_of(value: bytes) -> float:
    """The handler time that *value* asks for."""
    return int(value[9:17]) / 1e6


def number_of(value: bytes) -> int:
    """The number of the record with *value*."""
    return int(value[:8])


def sleep(value: bytes) -> None:
    """Wait, as for a database."""
    time.sleep(seconds_of(value))


async def sleep_async(value: bytes) -> None:
    """Wait without holding a thread."""
    await asyncio.sleep(seconds_of(value))


def compute(_: bytes) -> int:
    """Keep one core busy with pure Python."""
    total = 0
    for turn in range(TURNS):
        total += turn * turn % 7
    return total


_HANDLERS: dict[Kind, Callable[[bytes], object]] = {
    "sleep": sleep, "failing": sleep, "memory": sleep, "cpu": compute,
}  # fmt: skip


def handler(job: Job) -> Callable[[bytes], object] | None:
    """The handler of *job*; ``None`` for one that does nothing."""
    return _HANDLERS.get(job.kind)


def coroutine(job: Job) -> Callable[[bytes], Awaitable[object]] | None:
    """The same as ``async def``."""
    return None if job.kind == "nothing" else sleep_async
