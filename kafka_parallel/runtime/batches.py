"""How a batch of records is run, and what it means for each of them.

Each record is deserialised and enters its wrappers of ``on_record`` by itself; one that fails in this, or that a
wrapper answers, is not in the list that the handler gets, and neither is what has to run behind a failed one. Then the
handler is called once, and each record leaves its wrappers with the handler's result or its own error.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from kafka_parallel.core.outcome import BatchOutcome, NotRun, NoVerdict
from kafka_parallel.errors import BatchFailed, ConfigurationError, HandlerTimeout
from kafka_parallel.runtime.attempt import Attempts, context_of
from kafka_parallel.runtime.deadlines import Deadlines, OverdueError
from kafka_parallel.unfinished import require_finished

if TYPE_CHECKING:
    from kafka_parallel.core.batch_chunk import TaskBatch
    from kafka_parallel.core.task import Task


class Entered:
    """One record inside its wrappers.

    :param around: the wrappers as `kafka_parallel.chains.surround_steps` composes them; ``None`` if there are none.
    :ivar is_answered: whether a plugin answered instead of the handler.
    """

    def __init__(
        self, task: Task, record: Any, around: Callable[..., Any] | None, variables: contextvars.Context
    ) -> None:
        self.task = task
        self.record = record
        self.is_answered = False
        self._variables = variables
        self._steps = None if around is None else around(record, context_of(task))
        if self._steps is not None:
            self.is_answered = self._go(self._steps.send, None)

    def leave(self, result: Any, error: BaseException | None) -> None:
        """Go through the wrappers' ends; raise what comes out of them."""
        if self._steps is None:
            if error is not None:
                raise error
        elif error is not None:
            self._go(self._steps.throw, error)
        else:
            self._go(self._steps.send, result)

    def _go(self, step: Callable[[Any], Any], value: Any) -> bool:
        """Take one step; tell whether the wrappers have ended."""
        try:
            self._variables.run(step, value)
        except StopIteration:
            return True
        return False


class BatchRun:
    """One batch on its way: who is in it, and who failed.

    :ivar entered: the records that the handler gets.
    :ivar failures: task, record as far as it got, and error.
    :ivar outcomes: what is known so far.
    :ivar done: the records that the handler or a plugin has handled.
    """

    def __init__(self) -> None:
        self.entered: list[Entered] = []
        self.failures: list[tuple[Task, Any, BaseException]] = []
        self.outcomes: dict[Task, BatchOutcome] = {}
        self.done: list[Task] = []

    @property
    def records(self) -> list[Any]:
        """What the handler gets."""
        return [entered.record for entered in self.entered]

    @property
    def raw_records(self) -> list[Any]:
        """The same as Kafka delivered them."""
        return [entered.task.record for entered in self.entered]

    def leave(self, result: Any, error: BaseException | None) -> None:
        """Let every record leave its wrappers after the handler has returned *result* or raised *error*."""
        errors = self._errors(error)
        for index, entered in enumerate(self.entered):
            try:
                entered.leave(result, errors.get(index))
            except BaseException as raised:  # noqa: BLE001 - turned into an outcome, raised again by run()
                self.failures.append((entered.task, entered.record, raised))
            else:
                self.outcomes[entered.task] = None
                self.done.append(entered.task)

    def _errors(self, error: BaseException | None) -> dict[int, BaseException]:
        if error is None:
            return {}
        count = len(self.entered)
        if isinstance(error, BatchFailed):
            highest = max(error.failed)
            if highest < count:
                return dict(error.failed)
            wrong = ConfigurationError(
                f"BatchFailed names record {highest} of a batch of {count}: all of it counts as failed"
            )
            wrong.__cause__, error = error, wrong
        return dict.fromkeys(range(count), error)


class BatchAttempts:
    """Runs batches.

    :param handler: what the user gave: a function of a list of records.
    :param around: the wrappers of ``on_record``, see `Entered`.
    :param attempts: knows how to deserialise, and what a failure means.
    :param deadlines: where plain handlers are noted that may only take so long; ``None`` if they may take any time.
    :param sends_raw: whether *handler* gets the raw records, because it sends them on to where they are made anew.
    """

    def __init__(
        self,
        handler: Callable[[list[Any]], Any],
        around: Callable[..., Any] | None,
        attempts: Attempts,
        deadlines: Deadlines | None = None,
        *,
        sends_raw: bool = False,
    ) -> None:
        self._deadlines = deadlines
        self._sends_raw = sends_raw
        self._handler = handler
        self._around = around
        self._attempts = attempts
        self.variables = contextvars.copy_context()

    def __call__(self, batch: TaskBatch, wants: Callable[[Task], bool]) -> dict[Task, BatchOutcome]:
        """Run *batch* without the tasks that nobody *wants* any more; tell how each ended.

        :raises OverdueError: it took too long, and somebody else has said how it ended.
        """
        run, result = self.enter(batch, wants), None
        if run.entered:
            error = None
            try:
                result = self._call(batch, run)
            except BaseException as raised:  # noqa: BLE001 - turned into outcomes, raised again by run()
                error = raised
            run.leave(result, error)
            if isinstance(error, OverdueError):
                raise error
        self.ended(run)
        return self.decide(run)

    def _call(self, batch: TaskBatch, run: BatchRun) -> Any:
        variables, records = self.variables.copy(), run.records
        if self._sends_raw:
            records = [self._attempts.see(record) for record in run.raw_records]
        if self._deadlines is None:
            return self._run(variables, records)
        # Copies: by the time it is late, the handler may have returned, and its records left their wrappers.
        decide = partial(self._timed_out, run, [*run.done], [*run.failures])
        with self._deadlines.running(batch, [entered.task for entered in run.entered], decide):
            return self._run(variables, records)

    def _run(self, variables: contextvars.Context, records: list[Any]) -> Any:
        returned = variables.run(self._handler, records)
        require_finished(returned)
        return returned

    def _timed_out(
        self,
        run: BatchRun,
        done: Sequence[Task],
        failures: Sequence[tuple[Task, Any, BaseException]],
        error: HandlerTimeout,
    ) -> dict[Task, BatchOutcome]:
        """What the records of a batch mean if its handler takes too long; their wrappers are left when it returns.

        :param done: those that plugins had handled before it began.
        :param failures: those that had failed before.
        """
        late = [(entered.task, entered.record, error) for entered in run.entered]
        failures = [*failures, *late]
        self._attempts.batch_ended(done, failures)
        return self._outcomes(run, failures)

    def enter(self, batch: TaskBatch, wants: Callable[[Task], bool]) -> BatchRun:
        """Let every record of *batch* that somebody *wants* enter its wrappers."""
        run, cut = BatchRun(), set()
        for task in batch.tasks:
            if not wants(task):
                run.outcomes[task] = NoVerdict
            elif task.lane in cut:
                run.outcomes[task] = NotRun
            elif not self._has_entered(run, task) and task.lane is not None:
                cut.add(task.lane)
        return run

    def _has_entered(self, run: BatchRun, task: Task) -> bool:
        """Let *task* enter its wrappers; false if it failed in this."""
        record = task.record
        try:
            record = self._attempts.prepare(task)
            entered = Entered(task, record, self._around, self.variables.copy())
        except BaseException as error:  # noqa: BLE001 - turned into an outcome, raised again by run()
            run.failures.append((task, record, error))
            return False
        if entered.is_answered:
            run.outcomes[task] = None
            run.done.append(task)
        else:
            run.entered.append(entered)
        return True

    def ended(self, run: BatchRun) -> None:
        """Note that the attempts at the records of *run* have ended."""
        self._attempts.batch_ended(run.done, run.failures)

    def decide(self, run: BatchRun) -> dict[Task, BatchOutcome]:
        """Ask what every failure means; may block."""
        return self._outcomes(run, run.failures)

    def _outcomes(self, run: BatchRun, failures: Sequence[tuple[Task, Any, BaseException]]) -> dict[Task, BatchOutcome]:
        decided = {task: self._attempts.failed(task, record, error) for task, record, error in failures}
        return {**run.outcomes, **decided}
