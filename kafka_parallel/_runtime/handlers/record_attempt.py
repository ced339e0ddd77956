"""How one record is run, and the outcome of its failure.

One attempt is: deserialise, enter the scopes of plugins and the wrappers of ``on_record``, call the handler, leave them
again. If any of it raises, ``on_error`` decides. Everything here runs on the worker's thread and never raises: whatever
happens is turned into an outcome. How an ``async def`` handler is called stands in ``coroutine_attempt.py``.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from kafka_parallel._core.outcome import LEFT_OUT, Failure, NoVerdict, Outcome
from kafka_parallel._plugins.scopes import in_scope
from kafka_parallel._runtime.client.own_headers import with_own_headers
from kafka_parallel._runtime.handlers.deadlines import Deadlines, OverdueError
from kafka_parallel._runtime.handlers.odd_errors import tamed
from kafka_parallel._runtime.handlers.verdict import counts
from kafka_parallel._showing import shown
from kafka_parallel._unfinished import require_finished
from kafka_parallel.errors import (
    FATAL,
    BatchFailed,
    ConfigurationError,
    HandlerTimeout,
    InvalidResult,
    NotHandedOver,
    PluginError,
)
from kafka_parallel.values import Halt, RecordContext, Retry, Skip, Stage

if TYPE_CHECKING:
    from kafka_parallel._core.task import Task
    from kafka_parallel._plugins.scopes import Enter
    from kafka_parallel._runtime.clock import Clock
    from kafka_parallel._runtime.handlers.handled_log import HandledLog

NOBODY = "no plugin decided to retry or skip it"
BY_PROGRAM = "that is a fault of the program, not of the record, so no plugin was asked about it"
BY_ORDERING = f"the ordering failed for this record, and {NOBODY}"
# Errors that say that the program is wrong, not the record: each record would fail with them.
OF_THE_PROGRAM = (ConfigurationError, InvalidResult)


class Attempts:
    """Runs tasks.

    :param handler: the user's function.
    :param surrounded: the handler inside the wrappers of ``on_record``, a function of record and context; ``None`` if
        no plugin implements the hook: then the handler is called directly.
    :param decide: ``on_error``, called with keywords; answers the first decision or ``None``. With ``is_decided`` it
        only shows the error to wrappers.
    :param deserialize: turns a raw record into the one the handler sees; ``None`` if they are the same.
    :param clock: the time.
    :param deadlines: where plain handlers are noted that may only take so long; ``None`` if they may take any time.
    :param handled_log: the log of attempts that have ended, for plugins; ``None`` without `on_handled`.
    :param enter: enters the scopes that plugins provide; ``None`` if there are none.
    :ivar enter: the same.
    :ivar sent: makes of a task what is sent for it where its handler runs elsewhere.
    """

    def __init__(
        self,
        handler: Callable[[Any], Any],
        surrounded: Callable[[Any, RecordContext], Any] | None,
        decide: Callable[..., Any],
        deserialize: Callable[[Any], Any] | None,
        clock: Clock,
        deadlines: Deadlines | None = None,
        handled_log: HandledLog | None = None,
        sent: Callable[[Task], Any] = lambda task: task.record,
        enter: Enter | None = None,
    ) -> None:
        self.sent = sent
        self.enter = enter
        self._handler = handler
        self._surrounded = surrounded
        self._decide = decide
        self._deserialize = deserialize
        self._clock = clock
        self._deadlines = deadlines
        self._handled_log = handled_log
        self._variables = contextvars.copy_context()
        self._call = self._composed()

    def __call__(self, task: Task) -> Outcome:
        """Run *task* and tell how it ended.

        :raises OverdueError: it took too long, and its outcome was decided at its deadline.
        """
        record = task.record
        try:
            if task.error is not None or self._deserialize is not None:
                record = self.prepare(task)
            elif getattr(record, "headers", None):
                record = with_own_headers(record)
            returned = self._call(task, record)
        except OverdueError:
            raise
        except BaseException as error:  # noqa: BLE001 - turned into an outcome, raised again by run()
            return self.failed(task, record, error)
        return LEFT_OUT if type(returned) is Skip else None

    # see docs/decisions/0017-chains-composed-once.md
    # see docs/decisions/0043-flat-hot-path.md
    # see docs/decisions/0055-results-judged-in-one-place.md
    def _composed(self) -> Callable[[Task, Any], object]:
        """Put together how a plain handler is called: with nothing around it that is not needed."""
        variables, handler, surrounded = self._variables, self._handler, self._surrounded

        def call(_: Task, record: Any) -> object:
            returned = variables.copy().run(handler, record)
            if returned is not None:
                require_finished(returned)
            return returned

        def call_surrounded(task: Task, record: Any) -> object:
            returned = variables.copy().run(surrounded, record, context_of(task))  # type: ignore[arg-type]
            if returned is not None:  # the handler's was looked at already, but a plugin may have answered instead
                require_finished(returned, may_skip=True)
            return returned

        composed: Callable[[Task, Any], object] = call if surrounded is None else call_surrounded
        if self.enter is not None:
            composed = self._in_scopes(self.enter)
        if self._deadlines is not None:
            composed = self._in_time(composed, self._deadlines)
        return composed if self._handled_log is None else self._handled_log.around(composed)

    # see docs/decisions/0081-attempt-scopes.md
    def _in_scopes(self, enter: Enter) -> Callable[[Task, Any], object]:
        """Do the same inside the scopes of plugins, in the same context."""
        variables, handler, surrounded = self._variables, self._handler, self._surrounded
        may_skip = surrounded is not None

        def inside(task: Task, record: Any) -> object:
            leave = enter(task)
            if leave is not None:
                args = (handler, record) if surrounded is None else (surrounded, record, context_of(task))
                return in_scope(leave, *args)
            return handler(record) if surrounded is None else surrounded(record, context_of(task))

        def call(task: Task, record: Any) -> object:
            returned = variables.copy().run(inside, task, record)
            if returned is not None:
                require_finished(returned, may_skip=may_skip)
            return returned

        return call

    def _in_time(self, call: Callable[[Task, Any], object], deadlines: Deadlines) -> Callable[[Task, Any], object]:
        def call_in_time(task: Task, record: Any) -> object:
            with deadlines.watched(task, (task,), partial(self._timed_out, task, record)) as running:
                task.started_at = running.since
                return call(task, record)

        return call_in_time

    def _timed_out(self, task: Task, record: Any, error: HandlerTimeout) -> dict[Task, Outcome]:
        self.note_end(task, record, error)
        return {task: self.failed(task, record, error)}

    def note_end(self, task: Task, record: Any, error: BaseException | None = None) -> None:
        """Note the end of an attempt that its thread does not note by itself, if it got as far as the handler."""
        if self._handled_log is not None and self._was_handed_over(task, record):
            self._handled_log.note_end(task, error)

    def batch_ended(self, done: Iterable[Task], failures: Iterable[tuple[Task, Any, BaseException]]) -> None:
        """Note how attempts ended that were made together."""
        if self._handled_log is not None:
            for task in done:
                self._handled_log.note_end(task)
            for task, record, error in failures:
                self.note_end(task, record, error)

    @property
    def is_surrounded(self) -> bool:
        """True if plugins may answer in place of the handler."""
        return self._surrounded is not None

    @property
    def must_prepare(self) -> bool:
        """True if records have to be made before the handler can get them."""
        return self._deserialize is not None

    @property
    def hands_over_as_is(self) -> bool:
        """True if the handler gets a record as it came, unless its ordering key failed, and nothing notes when."""
        return self._deserialize is None and self._handled_log is None

    def prepare(self, task: Task) -> Any:
        """Return the record as the handler sees it; raise the error of the deserialiser or the ordering."""
        if task.error is not None:
            raise task.error
        if self._deserialize is not None:
            return self._deserialize(task.record)
        return with_own_headers(task.record) if getattr(task.record, "headers", None) else task.record

    def _was_handed_over(self, task: Task, record: Any) -> bool:
        """Tell whether the record got as far as the handler and its wrappers: deserialising makes a new one."""
        return task.error is None and (self._deserialize is None or record is not task.record)

    def failed_elsewhere(self, task: Task, error: BaseException, stage: Stage) -> Outcome:
        """Decide about *task*, which failed where its record was made anew: here it has to be made once more."""
        record = task.record
        if self._deserialize is not None and stage == "handle":
            with suppress(BaseException):  # it could be made there; on_error gets the raw one, as it can have no other
                record = self._deserialize(record)
        return self.failed(task, record, error, stage)

    # see docs/decisions/0027-context-stage.md
    # see docs/decisions/0087-faults-of-the-program-stop-it.md
    # see docs/decisions/0056-verdict-needs-a-live-assignment.md
    def failed(self, task: Task, record: Any, error: BaseException, stage: Stage | None = None) -> Outcome:
        """Decide about *task*, an attempt at which raised *error*; may block, and never raises.

        :param record: as far as it got: as the handler saw it, or the raw one.
        :param stage: how far that was; found out by itself if the record was made here.
        """
        error = tamed(error)
        if isinstance(error, NotHandedOver):  # the handler hands records over to others
            error, stage = tamed(error.error), "prepare"
        if isinstance(error, FATAL):
            return Failure(error, f"{type(error).__name__} stops the consumer at once", is_fatal=True)
        if not counts(task, error):
            return NoVerdict
        if task.first_failed_at_ms is None:
            task.first_failed_at_ms, task.failing_since = self._clock.wall() * 1000, self._clock.monotonic()
        if stage is None:
            stage = "handle" if self._was_handed_over(task, record) else "prepare"
        if isinstance(error, BatchFailed):  # of a batch each record comes here with its own error
            error = _without_batch(error)
        task.failed_by = type(error).__name__
        # An ordering may fail for one record alone. Of a fault of the program wrappers hear, which count errors.
        decided = {"is_decided": True} if isinstance(error, OF_THE_PROGRAM) and error is not task.error else {}
        try:
            answer = self._decide(record=record, error=error, context=context_of(task, stage), **decided)
        except BaseException as broken:  # noqa: BLE001 - turned into an outcome, raised again by run()
            raised = tamed(broken)
            return Failure(raised, "a plugin raised in on_error", is_fatal=isinstance(raised, FATAL))
        if decided:
            return Failure(error, BY_PROGRAM)
        return _outcome(answer, error, BY_ORDERING if error is task.error else NOBODY)


class ObservedAttempts(Attempts):
    """The same, with the time taken where the composed call of a plain handler does not take it.

    :param handled_log: the log of attempts that have ended, for plugins.
    """

    _handled_log: HandledLog

    def prepare(self, task: Task) -> Any:
        """Return the record as the handler sees it; its attempt begins when it is there."""
        record = super().prepare(task)
        task.started_at = self._handled_log.now()
        return record


def context_of(task: Task, stage: Stage = "handle") -> RecordContext:
    """The context of this attempt at *task*, for hooks; made as a plain tuple is, at half the cost of the call."""
    return tuple.__new__(
        RecordContext,
        (
            task.record,
            task.attempt,
            task.assignment.id,
            task.queued_at,
            task.first_failed_at_ms,
            task.failing_since,
            stage,
            task.assignment,
        ),
    )


def _without_batch(error: BatchFailed) -> ConfigurationError:
    """The failure of a record whose handler raised *error* although it was called without a batch."""
    wrong = ConfigurationError(
        "the handler raised BatchFailed, but it gets single records: raise the error of the record itself, or have "
        "lists handed to it with run(handler, batch=Batch(...))"
    )
    wrong.__cause__ = error
    return wrong


def _outcome(answer: object, error: BaseException, undecided: str) -> Outcome:
    if isinstance(answer, (Retry, Skip)):
        return answer
    if answer is None:
        return Failure(error, undecided)
    if isinstance(answer, Halt):
        return Failure(error, answer.reason)
    broken = PluginError(f"a wrapper of on_error answered {shown(answer)}, which is not Retry, Skip, Halt or None")
    return Failure(broken, "a plugin broke on_error")
