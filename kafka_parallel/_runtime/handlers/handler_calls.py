"""How the user's handler is called: where, inside which wrappers, and for how long at most."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kafka_parallel._batch_places import keeping_places
from kafka_parallel._runtime.handlers.batch_attempt import BatchAttempts, inside, of_list
from kafka_parallel._runtime.handlers.child_calls import SentRecord, tellers
from kafka_parallel._runtime.handlers.compatibility import can_stop_handlers, is_remote
from kafka_parallel._runtime.handlers.deadlines import Deadlines
from kafka_parallel._runtime.handlers.handled_log import HandledLog
from kafka_parallel._runtime.handlers.record_attempt import Attempts, ObservedAttempts, context_of
from kafka_parallel._runtime.handlers.remote_run import program
from kafka_parallel._unfinished import finishing, finishing_async, is_async

if TYPE_CHECKING:
    from kafka_parallel._core.task import Task
    from kafka_parallel._plugins.hooks import Hooks
    from kafka_parallel._plugins.scopes import Enter
    from kafka_parallel._runtime.client.consumer_adapter import Client
    from kafka_parallel._runtime.clock import Clock
    from kafka_parallel._runtime.handlers.batch_attempt import BatchRun
    from kafka_parallel._runtime.handlers.coroutine_work import CoroutineWork
    from kafka_parallel._runtime.handlers.originals import Originals
    from kafka_parallel._runtime.handlers.result_delivery import ResultDelivery
    from kafka_parallel.executors import Executor, Program
    from kafka_parallel.values import BatchContext, ChildWrapper, RecordContext, Settings


class HandlerCalls:
    """The parts that are needed to call *handler*.

    :param originals: makes of a raw record the one that stands for it.
    :param child_wrappers: those that are sent along with the handler, by the name of their plugins.
    :param is_batch: whether it takes a list of records.
    :param results: hands over what the handler returns; ``None`` if that is not produced.
    :param enter: enters the scopes that plugins provide; ``None`` if there are none.
    :ivar handled_log: the log of attempts that have ended, for plugins; ``None`` without `on_handled`.
    :ivar deadlines: where plain handlers are noted that run here, where nothing can stop them; ``None`` if they may
        take any time, or can be stopped.
    """

    def __init__(
        self,
        handler: Callable[[Any], Any],
        executor: Executor,
        client: Client,
        hooks: Hooks,
        settings: Settings,
        clock: Clock,
        originals: Originals,
        child_wrappers: Mapping[str, ChildWrapper],
        *,
        is_batch: bool,
        results: ResultDelivery | None = None,
        enter: Enter | None = None,
    ) -> None:
        self._results = results
        self._enter = enter
        self._originals = originals
        self._child_wrappers = child_wrappers
        self._tellers = tellers(child_wrappers)
        self._handler = handler
        self._executor = executor
        self._client = client
        self._hooks = hooks
        self._clock = clock
        self._is_batch = is_batch
        self.handled_log = HandledLog(hooks.on_handled, clock) if hooks.hears_handled else None
        timeout_ms = settings.handler_timeout_ms
        self._timeout = timeout = None if timeout_ms is None else timeout_ms / 1000
        can_be_stopped = is_async(handler) or (is_remote(executor) and can_stop_handlers(executor))
        self.deadlines = None if timeout is None or can_be_stopped else Deadlines(timeout, clock)

    @property
    def program(self) -> Program:
        """The program to send to the place where handlers run.

        :raises ConfigurationError: some of it cannot be sent.
        """
        return program(
            self._handler,
            self._client,
            self._originals.see,
            self._child_wrappers,
            is_surrounded=self._is_surrounded,
            is_batch=self._is_batch,
            is_timed=self.handled_log is not None,
        )

    @cached_property
    def attempt(self) -> Attempts:
        """Runs one record; of a batch, prepares its records and tells the outcomes of their failures."""
        return (Attempts if self.handled_log is None else ObservedAttempts)(
            self._handler,
            self._surrounded,
            self._hooks.on_error,
            self._originals.before(self._client.deserialize),
            self._clock,
            self.deadlines,
            self.handled_log,
            self._sent,
            self._enter,
        )

    @cached_property
    def attempt_batch(self) -> BatchAttempts | None:
        """Runs a batch; ``None`` if records run one by one."""
        if not self._is_batch:
            return None
        around, may_skip = self._hooks.around_record_of_batch(), self._hooks.surrounds_batches
        return BatchAttempts(self._call_of_batch, around, self.attempt, self.deadlines, may_skip=may_skip)

    @property
    def coroutines(self) -> CoroutineWork | None:
        """Runs either if the handler is ``async def``; ``None`` for a plain one, which needs nothing of it."""
        if not is_async(self._handler):
            return None
        from kafka_parallel._runtime.handlers.coroutine_attempt import (
            CoroutineAttempts,
            ObservedCoroutineAttempts,
            called,
        )
        from kafka_parallel._runtime.handlers.coroutine_work import CoroutineBatches, CoroutineWork

        call, timeout, together = called(self._handler, self._surrounded), self._timeout, self.attempt_batch
        attempts = (
            CoroutineAttempts(self.attempt, call, timeout, self._clock)
            if self.handled_log is None
            else ObservedCoroutineAttempts(self.attempt, call, timeout, self._clock, self.handled_log)
        )
        batches = None if together is None else CoroutineBatches(together, attempts, timeout)
        return CoroutineWork(attempts, batches)

    @property
    def _is_surrounded(self) -> bool:
        """True if something is around the handler of one record: plugins, the delivery of its results, a deadline."""
        is_watched_elsewhere = self.deadlines is not None and is_remote(self._executor)
        return self._hooks.surrounds_records or self._results is not None or is_watched_elsewhere

    @cached_property
    def _surrounded(self) -> Callable[[Any, Any], Any] | None:
        """The handler of one record inside the wrappers of ``on_record``."""
        if self._is_batch or not self._is_surrounded:
            return None
        return self._hooks.around_record(self._innermost(), is_async=is_async(self._handler))

    def _innermost(self) -> Callable[[Any, RecordContext], Any]:
        """The call inside the wrappers; if the handler runs elsewhere the raw record is sent there."""
        executor = self._executor
        if is_remote(executor):
            return self._delivering(lambda _, context: executor.call(self._sent_of(context)))
        handler = self._finishing
        return self._delivering(lambda record, _: handler(record))

    def _delivering(self, call: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """Let *call* hand over its results, if they are produced."""
        return call if self._results is None else self._results.after(call, is_batch=self._is_batch)

    @property
    def _call_of_batch(self) -> Callable[[BatchRun], Any]:
        """The call of a handler of lists, inside the wrappers of ``on_batch`` if there are any."""
        if self._hooks.surrounds_batches or self._results is not None:
            is_coroutine = is_async(self._handler)
            return inside(self._hooks.around_batch(self._innermost_of_batch(), is_async=is_coroutine))
        executor, sent = self._executor, self._sent
        if is_remote(executor):
            return lambda run: executor.call([sent(task) for task in run.tasks])
        return of_list(keeping_places(self._handler))

    def _innermost_of_batch(self) -> Callable[[Sequence[Any], BatchContext], Any]:
        """The same as `_innermost`, for a list; a handler gets one of its own."""
        executor, sent_of = self._executor, self._sent_of
        if is_remote(executor):
            return self._delivering(
                lambda _, context: executor.call([sent_of(attempt) for attempt in context.attempts])
            )
        handler = keeping_places(self._finishing)
        return self._delivering(lambda records, _: handler([*records]))

    @property
    def _finishing(self) -> Callable[[Any], Any]:
        return (finishing_async if is_async(self._handler) else finishing)(self._handler)

    def _sent(self, task: Task) -> Any:
        """Make of *task* what is sent for it: its raw record alone, if no wrapper there wants to know more."""
        return self._sent_of(context_of(task)) if self._child_wrappers else self._originals.see(task.record)

    def _sent_of(self, context: RecordContext) -> Any:
        record = self._originals.see(context.raw)
        if not self._child_wrappers:
            return record
        return SentRecord(record, context, tuple([tell(context) for tell in self._tellers]))
