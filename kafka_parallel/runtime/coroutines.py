"""How one coroutine runs with context variables of its own, without a task of its own.

A task per record would do the same, and cost more than many handlers. So the coroutine is driven by hand: each of its
steps runs inside the context, and what it waits for is handed on to the task that runs all records of a chunk.

Under a deadline there is a task after all: it can be cancelled without the others of its chunk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import TYPE_CHECKING, Any

from kafka_parallel.runtime.deadlines import timed_out

if TYPE_CHECKING:
    from kafka_parallel.core.chunk import TaskBatch
    from kafka_parallel.core.task import Task


class InContext:
    """Awaits *coroutine* with the variables of *context*; what it sets is seen by nobody else.

    :ivar coroutine: what it waits for, under a name that tools can follow as they follow ``cr_await``.
    """

    def __init__(self, context: Context, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._context = context
        self.coroutine = coroutine

    def __await__(self) -> InContext:
        return self

    def __iter__(self) -> InContext:
        return self

    def __next__(self) -> Any:
        return self._context.run(self.coroutine.send, None)

    def send(self, value: Any) -> Any:
        """Give the coroutine what it waited for."""
        return self._context.run(self.coroutine.send, value)

    def throw(self, *error: Any) -> Any:
        """Raise an error where the coroutine waits; it is its to answer, a cancellation too."""
        return self._context.run(self.coroutine.throw, *error)

    def close(self) -> None:
        """End the coroutine where it waits."""
        self._context.run(self.coroutine.close)


async def within(
    timeout: float | None, item: Task | TaskBatch, context: Context, coroutine: Coroutine[Any, Any, Any]
) -> Any:
    """Await the *coroutine* that is at *item*, in *context*; cancel it after *timeout* seconds.

    :raises HandlerTimeout: it was cancelled for that; one that ends in another way in spite of it has ended so.
    """
    if timeout is None:
        return await InContext(context, coroutine)
    task: asyncio.Task[Any] = context.run(asyncio.ensure_future, coroutine)
    try:
        await asyncio.wait({task}, timeout=timeout)
        if not task.done():
            await _cancel(task)
            if task.cancelled():
                raise timed_out(item, timeout)
    except asyncio.CancelledError:
        await _cancel(task)
        raise
    return task.result()


async def _cancel(task: asyncio.Task[Any]) -> None:
    """Cancel *task* and wait until it has ended, which may take it as long as it likes."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # seen: asyncio need not complain if nobody raises it
