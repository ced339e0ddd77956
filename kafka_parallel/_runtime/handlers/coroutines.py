"""How one coroutine runs with context variables of its own, without a task of its own.

A task per record would do the same, and cost more than many handlers. So the coroutine is driven by hand: each of its
steps runs inside the context, and the futures it waits for are handed on to the task that runs all records of a chunk.

Under a deadline there is a task after all: it can be cancelled without the others of its chunk.

Blocking calls get a thread of their own. The loop's default executor belongs to the user, who may have filled it, and
an interpreter does not exit before its threads have ended.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from kafka_parallel._runtime.handlers.deadlines import timed_out

if TYPE_CHECKING:
    from kafka_parallel._core.task import Task
    from kafka_parallel._core.task_batch import TaskBatch

T = TypeVar("T")
NOTHING = object()


# see docs/decisions/0028-coroutines-share-a-task.md
class HandlerExit(BaseException):
    """The handler itself raised the GeneratorExit that is the cause of this.

    A bare one means that Python ends a coroutine because its task is held no more. Then nothing may be awaited.
    """


class InContext:
    """Awaits *coroutine* with the variables of *context*; variables that it sets are seen nowhere else.

    :param awaited: the first thing that it waits for, if it has run to there.
    :ivar is_closed: true if the coroutine was closed (GeneratorExit) because its task was garbage-collected.
    :ivar coroutine: the awaitable it waits for, under a name that tools can follow as they follow ``cr_await``.
    """

    __slots__ = ("_awaited", "_context", "coroutine", "is_closed")

    def __init__(self, context: Context, coroutine: Coroutine[Any, Any, Any], awaited: Any = NOTHING) -> None:
        self.is_closed = False
        self._context = context
        self._awaited = awaited
        self.coroutine = coroutine

    def __await__(self) -> InContext:
        return self

    def __iter__(self) -> InContext:
        return self

    def __next__(self) -> Any:
        if self._awaited is NOTHING:
            return self._context.run(self.coroutine.send, None)
        awaited, self._awaited = self._awaited, NOTHING
        return awaited

    def send(self, value: Any) -> Any:
        """Give the coroutine the value it waited for."""
        return self._context.run(self.coroutine.send, value)

    def throw(self, *error: Any) -> Any:
        """Raise an error where the coroutine waits; it is its to answer, a cancellation too."""
        return self._context.run(self.coroutine.throw, *error)

    def close(self) -> None:
        """End the coroutine where it waits."""
        self.is_closed = True
        self._context.run(self.coroutine.close)


async def ended(inside: InContext) -> Any:
    """Await *inside* to its end.

    :raises HandlerExit: it raised GeneratorExit.
    """
    try:
        return await inside
    except GeneratorExit as error:
        if inside.is_closed:
            raise
        raise HandlerExit from error


async def raised(error: BaseException) -> NoReturn:
    """Raise *error* when awaited."""
    if isinstance(error, GeneratorExit):
        raise HandlerExit from error
    raise error


async def within(
    timeout: float | None, item: Task | TaskBatch, context: Context, call: Callable[[], Coroutine[Any, Any, Any]]
) -> Any:
    """Await the coroutine that *call* makes and that is at *item*, in *context*; cancel it after *timeout* seconds.

    It is made when its task begins: one that is cancelled before would never have been awaited, which Python warns of.

    :raises HandlerTimeout: it was cancelled for that.
    :raises asyncio.CancelledError: the awaiting task was cancelled, and with it the coroutine. One that ends in another
        way in spite of a cancellation, whatever it was cancelled for, has ended so.
    :raises HandlerExit: it raised GeneratorExit.
    """
    if timeout is None:
        return await ended(InContext(context, call()))
    task: asyncio.Task[Any] = context.run(asyncio.ensure_future, _caught(call))
    try:
        await asyncio.wait({task}, timeout=timeout)
        if not task.done():
            await _cancel(task)
            if task.cancelled():
                raise timed_out(item, timeout)
    except asyncio.CancelledError:
        await _cancel(task)
        if task.cancelled():
            raise
    result, error = task.result()
    return result if error is None else await raised(error)


async def _caught(call: Callable[[], Coroutine[Any, Any, Any]]) -> tuple[Any, BaseException | None]:
    """Return the result of awaiting *call*, or an error: a task would let SystemExit and its like out into the loop."""
    try:
        return await call(), None
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - raised again by the one who waits
        return None, error


async def _cancel(task: asyncio.Task[Any]) -> None:
    """Cancel *task* and wait until it has ended, which may take it as long as it likes."""
    task.cancel()
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:  # once more; the records behind this one wait for its end all the same
            task.cancel()


def beside(start_thread: Callable[[Callable[[], None], str], Any], act: Callable[[], T]) -> asyncio.Future[T]:
    """Run *act*, which may block, on a thread; return the future of its result or error.

    If that is cancelled meanwhile, *act* runs on, and its end is not noted.

    :param start_thread: see `kafka_parallel._runtime.clock.Clock`.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            tell: Callable[[], None] = partial(ended.set_result, act())
        except BaseException as error:  # noqa: BLE001 - raised where the future is awaited
            tell = partial(ended.set_exception, error)
        try:
            loop.call_soon_threadsafe(lambda: None if ended.done() else tell())
        except RuntimeError:  # the loop was closed: the result is no longer wanted
            if not loop.is_closed():
                raise

    start_thread(run, "kafka-parallel-beside")
    return ended


def was_cancelled() -> bool:
    """Tell whether the running asyncio task was cancelled, rather than its awaitable; Python 3.10 cannot tell."""
    if sys.version_info >= (3, 11):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return False
