"""How one record is run whose handler is ``async def``.

The same as with a plain handler (``record_attempt.py``), on the event loop, with ``on_error`` on a thread beside it. It
is begun at once; only its rest after its first wait is awaited.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from kafka_parallel._core.outcome import LEFT_OUT, Failure, Outcome
from kafka_parallel._plugins.scopes import in_scope_async
from kafka_parallel._runtime.client.own_headers import with_own_headers
from kafka_parallel._runtime.handlers.coroutines import (
    HandlerExit,
    InContext,
    beside,
    ended,
    raised,
    was_cancelled,
    within,
)
from kafka_parallel._runtime.handlers.record_attempt import context_of
from kafka_parallel._unfinished import require_finished, unfinished
from kafka_parallel.errors import HandlerCancelled
from kafka_parallel.values import Skip

if TYPE_CHECKING:
    from kafka_parallel._core.task import Task
    from kafka_parallel._plugins.scopes import Enter
    from kafka_parallel._runtime.clock import Clock
    from kafka_parallel._runtime.handlers.handled_log import HandledLog
    from kafka_parallel._runtime.handlers.record_attempt import Attempts

T = TypeVar("T")


class CoroutineAttempts:
    """Runs tasks.

    :param attempts: makes their records, and knows the meaning of a failure.
    :param call: the handler, inside the wrappers of ``on_record`` if there are any: a coroutine function of a task and
        its record; see `called`.
    :param timeout: seconds that a handler may take; ``None`` = any time.
    :param clock: starts threads.
    :ivar decides_at_once: whether failures are decided on the event loop's thread: it ends a forked child.
    """

    def __init__(
        self, attempts: Attempts, call: Callable[[Task, Any], Any], timeout: float | None, clock: Clock
    ) -> None:
        self._attempts = attempts
        self._must_prepare = attempts.must_prepare
        self._enter = attempts.enter
        self._may_skip = attempts.is_surrounded
        self._call = call
        self._timeout = timeout
        self._clock = clock
        self.decides_at_once = False
        self._variables = contextvars.copy_context()

    def begin_attempt(self, task: Task, wants: Callable[[Task], bool]) -> Awaitable[Outcome] | None:
        """Begin to run *task*; return its rest, or ``None`` if it has ended well. The rest lets a cancellation out.

        :param wants: tells whether the result of a task is still wanted.
        """
        record = task.record
        try:
            if task.error is not None or self._must_prepare:
                record = self._attempts.prepare(task)
            elif getattr(record, "headers", None):
                record = with_own_headers(record)
            context = self._variables.copy()
            if self._timeout is not None:
                call = partial(self._call if self._enter is None else self._entered(self._enter), task, record)
                return self._rest(task, record, wants, within(self._timeout, task, context, call))
            if self._enter is None or (leave := context.run(self._enter, task)) is None:
                coroutine = self._call(task, record)
            else:
                coroutine = in_scope_async(leave, self._call, task, record)
        except BaseException as error:  # noqa: BLE001 - turned into an outcome, raised again by run()
            return self._failed(task, record, error)
        try:
            awaited = context.run(coroutine.send, None)  # to its first wait, which most do not need
        except StopIteration as end:  # nothing of the user's can raise this one here: it is how a coroutine returns
            what = None if end.value is None else unfinished(end.value, may_skip=self._may_skip)
            if what is not None:
                return self._failed(task, record, what)
            return self._left_out(task, record) if type(end.value) is Skip else None
        except BaseException as error:  # noqa: BLE001 - as above
            return self._rest(task, record, wants, raised(error))
        return self._rest(task, record, wants, ended(InContext(context, coroutine, awaited)))

    def _entered(self, enter: Enter) -> Callable[[Task, Any], Any]:
        """Make the call a coroutine function that enters the scopes itself: it may be cancelled before it begins."""

        async def call(task: Task, record: Any) -> Any:
            leave = enter(task)
            if leave is None:
                return await self._call(task, record)
            return await in_scope_async(leave, self._call, task, record)

        return call

    async def _rest(self, task: Task, record: Any, wants: Callable[[Task], bool], running: Awaitable[Any]) -> Outcome:
        """Wait for the end of a handler, and tell how its record ended.

        :raises asyncio.CancelledError: it was cancelled from outside; see `cancelled`.
        """
        try:
            returned = await running
            require_finished(returned, may_skip=self._may_skip)
        except asyncio.CancelledError as error:
            if was_cancelled() or not wants(task):
                raise
            return await self._failed(task, record, let_out("something it awaited was cancelled", error))
        except GeneratorExit:
            raise  # our asyncio task was thrown away
        except HandlerExit as error:
            return await self._failed(task, record, error.__cause__ or error)
        except BaseException as error:  # noqa: BLE001 - turned into an outcome, raised again by run()
            return await self._failed(task, record, error)
        self._attempts.note_end(task, record)
        return LEFT_OUT if type(returned) is Skip else None

    async def _left_out(self, task: Task, record: Any) -> Outcome:
        self._attempts.note_end(task, record)
        return LEFT_OUT

    async def _failed(self, task: Task, record: Any, error: BaseException) -> Outcome:
        self._attempts.note_end(task, record, error)
        return await self.beside(partial(self._attempts.failed, task, record, error))

    def cancelled(self, error: asyncio.CancelledError) -> Outcome:
        """Decide about a task that was cancelled although its result is wanted: its record is not done."""
        return Failure(let_out("the task it ran in was cancelled from outside", error), "the event loop is being ended")

    def beside(self, decide: Callable[[], T]) -> Awaitable[T]:
        """Decide on a thread beside the event loop: ``on_error`` may block."""
        if self.decides_at_once:
            decide()
        return beside(self._clock.start_thread, decide)


class ObservedCoroutineAttempts(CoroutineAttempts):
    """The same, with the time taken.

    :param handled_log: the log of attempts that have ended, for plugins.
    """

    def __init__(
        self,
        attempts: Attempts,
        call: Callable[[Task, Any], Any],
        timeout: float | None,
        clock: Clock,
        handled_log: HandledLog,
    ) -> None:
        super().__init__(attempts, call, timeout, clock)
        self._handled_log = handled_log

    def begin_attempt(self, task: Task, wants: Callable[[Task], bool]) -> Awaitable[Outcome] | None:
        """Begin to run *task*; note when, and that it has ended if it waits for nothing."""
        handled_log = self._handled_log
        task.started_at = handled_log.now()
        rest = CoroutineAttempts.begin_attempt(self, task, wants)  # super() takes longer, for each record
        if rest is None and (task.assignment.live or task.is_wanted):  # as `HandledLog.note_end`, at less cost
            handled_log.add((task.record, task.attempt, task.queued_at, task.started_at, handled_log.now(), None))
        return rest


def called(handler: Callable[[Any], Any], surrounded: Callable[[Any, Any], Any] | None) -> Callable[[Task, Any], Any]:
    """Put together how a coroutine is made of a task and its record.

    :param surrounded: *handler* inside the wrappers of ``on_record``, a function of record and context; ``None`` if no
        plugin implements the hook.
    """
    if surrounded is None:
        return lambda _, record: handler(record)
    return lambda task, record: surrounded(record, context_of(task))


def let_out(why: str, error: asyncio.CancelledError) -> HandlerCancelled:
    """The failure of a record whose handler let out a CancelledError."""
    failure = HandlerCancelled(f"the handler let out a CancelledError: {why}")
    failure.__cause__ = error
    return failure
