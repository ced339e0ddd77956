"""How a batch of records is run, and the outcome for each of them.

Each record is deserialised and enters its wrappers of ``on_record`` by itself; one that fails in this, or that a
wrapper answers, is not in the list that the handler gets, and neither are those that have to run behind a failed one.
Then the handler is called once, inside the wrappers of ``on_batch``, and each record leaves its own wrappers with the
result or with its own error.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from kafka_parallel._core.outcome import LEFT_OUT, BatchOutcome, BatchOutcomes, NotRun, NoVerdict
from kafka_parallel._runtime.client.own_headers import with_own_headers
from kafka_parallel._runtime.handlers.deadlines import Deadlines, OverdueError
from kafka_parallel._runtime.handlers.odd_errors import tamed
from kafka_parallel._runtime.handlers.record_attempt import Attempts, context_of
from kafka_parallel._unfinished import require_finished
from kafka_parallel.errors import BatchFailed, ConfigurationError, HandlerTimeout
from kafka_parallel.values import BatchContext, Skip

if TYPE_CHECKING:
    from kafka_parallel._core.task import Task
    from kafka_parallel._core.task_batch import TaskBatch
    from kafka_parallel._plugins.chains import Steps
    from kafka_parallel._plugins.scopes import Enter


# see docs/decisions/0029-batch-is-a-chunk.md
class Entered:
    """One record inside its wrappers.

    :param around: the wrappers as `kafka_parallel._plugins.chains.surround_steps` composes them.
    :param enter: enters the scopes of plugins; ``None`` if there are none.
    :ivar is_answered: whether a plugin answered instead of the handler.
    """

    def __init__(
        self,
        task: Task,
        record: Any,
        around: Callable[..., Steps],
        variables: contextvars.Context,
        enter: Enter | None = None,
    ) -> None:
        self.task = task
        self.record = record
        self._variables = variables
        self._leave_scopes = None if enter is None else variables.run(enter, task)
        self._steps = around(record, context_of(task))
        self.is_answered = not self._run(self._steps.enter)
        if self.is_answered and self._leave_scopes is not None:
            variables.run(self._leave_scopes, None)

    def _run(self, step: Callable[..., Any], *args: Any) -> Any:
        """Run *step* in the scopes; if it raises, they are left."""
        try:
            return self._variables.run(step, *args)
        except BaseException as error:
            if self._leave_scopes is not None:
                self._variables.run(self._leave_scopes, error)
            raise

    def leave(self, result: Any, error: BaseException | None) -> None:
        """Go through the wrappers' ends, and leave the scopes; raise their error."""
        self._run(self._steps.leave, result, error)
        if self._leave_scopes is not None:
            self._variables.run(self._leave_scopes, None)


class BatchRun:
    """One batch on its way: who is in it, and who failed.

    :ivar tasks: those whose records the handler gets.
    :ivar records: these records.
    :ivar entered: the same inside their wrappers; empty if there are none.
    :ivar failures: task, record as far as it got, and error.
    :ivar outcomes: of those that have neither failed nor been in the handler's list.
    :ivar done: those that the handler or a plugin has handled.
    """

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.records: list[Any] = []
        self.entered: list[Entered] = []
        self.failures: list[tuple[Task, Any, BaseException]] = []
        self.outcomes: dict[Task, BatchOutcome] = {}
        self.done: list[Task] = []

    def leave_wrappers(self, result: Any, error: BaseException | None) -> None:
        """Let every record leave its wrappers after the handler has returned *result* or raised *error*."""
        errors = self._errors(error)
        if type(result) is Skip:
            self.outcomes.update(dict.fromkeys(self.tasks, LEFT_OUT))
        if self.entered:
            self._leave_wrappers(result, errors)
            return
        self.done += [task for place, task in enumerate(self.tasks) if place not in errors] if errors else self.tasks
        self.failures += [(self.tasks[place], self.records[place], errors[place]) for place in sorted(errors)]

    def _leave_wrappers(self, result: Any, errors: Mapping[int, BaseException]) -> None:
        for place, entered in enumerate(self.entered):
            try:
                entered.leave(result, errors.get(place))
            except BaseException as raised:  # noqa: BLE001 - turned into an outcome, raised again by run()
                self.failures.append((entered.task, entered.record, raised))
            else:
                self.done.append(entered.task)

    def _errors(self, error: BaseException | None) -> dict[int, BaseException]:
        if error is None:
            return {}
        count, error = len(self.tasks), tamed(error)
        if isinstance(error, BatchFailed):
            highest = max(error.failed)
            if highest < count:
                return dict(error.failed)
            wrong = ConfigurationError(
                f"BatchFailed names record {highest} of a batch of {count}: all of it counts as failed"
            )
            wrong.__cause__, error = error, wrong
        return dict.fromkeys(range(count), error)


def of_list(handler: Callable[[list[Any]], Any]) -> Callable[[BatchRun], Any]:
    """Make *handler* a function of a `BatchRun`: it gets a list of its own, which it may change."""
    return lambda run: handler([*run.records])


def inside(surrounded: Callable[[Sequence[Any], BatchContext], Any]) -> Callable[[BatchRun], Any]:
    """Do the same with a handler inside the wrappers of ``on_batch``."""
    return lambda run: surrounded(tuple(run.records), BatchContext(tuple(map(context_of, run.tasks))))


class BatchAttempts:
    """Runs batches.

    :param call: calls the user's handler with the records of a `BatchRun`; see `of_list` and `inside`.
    :param around: the wrappers of ``on_record``, see `Entered`; ``None`` if there are none.
    :param attempts: deserialises, and knows the meaning of a failure.
    :param deadlines: where plain handlers are noted that may only take so long; ``None`` if they may take any time.
    :param may_skip: whether a plugin may answer in the handler's place.
    :ivar call: the same.
    """

    def __init__(
        self,
        call: Callable[[BatchRun], Any],
        around: Callable[..., Any] | None,
        attempts: Attempts,
        deadlines: Deadlines | None = None,
        *,
        may_skip: bool = False,
    ) -> None:
        self._deadlines = deadlines
        self.may_skip = may_skip
        self.call = call
        self._around = around
        self._attempts = attempts
        self._is_bare = around is None and attempts.hands_over_as_is
        self.variables = contextvars.copy_context()

    def __call__(self, batch: TaskBatch) -> BatchOutcomes:
        """Run *batch* without the tasks whose assignment has ended; tell how each ended.

        :raises OverdueError: it took too long, and its outcome was decided at its deadline.
        """
        run, result = self.enter_wrappers(batch), None
        if run.tasks:
            error = None
            try:
                result = self._call(batch, run)
            except BaseException as raised:  # noqa: BLE001 - turned into outcomes, raised again by run()
                error = raised
            run.leave_wrappers(result, error)
            if type(error) is OverdueError:
                raise error
        self.note_end(run)
        return self.decide(run)

    def _call(self, batch: TaskBatch, run: BatchRun) -> Any:
        variables = self.variables.copy()
        if self._deadlines is None:
            return self._run(variables, run)
        # Copies: by the time it is late, the handler may have returned, and its records left their wrappers.
        decide = partial(self._timed_out, run, [*run.done], [*run.failures])
        with self._deadlines.watched(batch, run.tasks, decide):
            return self._run(variables, run)

    def _run(self, variables: contextvars.Context, run: BatchRun) -> Any:
        returned = variables.run(self.call, run)
        require_finished(returned, may_skip=self.may_skip)
        return returned

    def _timed_out(
        self,
        run: BatchRun,
        done: Sequence[Task],
        failures: Sequence[tuple[Task, Any, BaseException]],
        error: HandlerTimeout,
    ) -> dict[Task, BatchOutcome]:
        """The outcomes of a batch whose handler takes too long; the wrappers of its records are left when it returns.

        :param done: those that plugins had handled before it began.
        :param failures: those that had failed before.
        """
        late = [(task, record, error) for task, record in zip(run.tasks, run.records, strict=True)]
        failures = [*failures, *late]
        self._attempts.batch_ended(done, failures)
        return self._outcomes(run, done, failures)

    def enter_wrappers(self, batch: TaskBatch) -> BatchRun:
        """Let every record of *batch* whose assignment is live enter its wrappers. It runs once per record."""
        run, cut = BatchRun(), set()
        tasks, records, is_bare = run.tasks, run.records, self._is_bare
        for task in batch.tasks:
            if not (task.assignment.live or task.is_wanted):
                run.outcomes[task] = NoVerdict
            elif task.lane in cut:
                run.outcomes[task] = NotRun
            elif is_bare and task.error is None:
                tasks.append(task)
                records.append(with_own_headers(task.record) if getattr(task.record, "headers", None) else task.record)
            elif not self._has_entered(run, task) and task.lane is not None:
                cut.add(task.lane)
        return run

    def _has_entered(self, run: BatchRun, task: Task) -> bool:
        """Let *task* enter its wrappers; false if it failed in this."""
        record, around = task.record, self._around
        try:
            record = self._attempts.prepare(task)
            enter = self._attempts.enter
            entered = None if around is None else Entered(task, record, around, self.variables.copy(), enter)
        except BaseException as error:  # noqa: BLE001 - turned into an outcome, raised again by run()
            run.failures.append((task, record, error))
            return False
        if entered is not None and entered.is_answered:
            run.done.append(task)
            run.outcomes[task] = LEFT_OUT
            return True
        run.tasks.append(task)
        run.records.append(record)
        if entered is not None:
            run.entered.append(entered)
        return True

    def note_end(self, run: BatchRun) -> None:
        """Note that the attempts at the records of *run* have ended."""
        self._attempts.batch_ended(run.done, run.failures)

    def decide(self, run: BatchRun) -> BatchOutcomes:
        """Ask for a verdict about every failure; may block."""
        if not run.failures and not run.outcomes:
            return None
        return self._outcomes(run, run.done, run.failures)

    def _outcomes(
        self, run: BatchRun, done: Sequence[Task], failures: Sequence[tuple[Task, Any, BaseException]]
    ) -> dict[Task, BatchOutcome]:
        decided = {task: self._attempts.failed(task, record, error) for task, record, error in failures}
        return {**dict.fromkeys(done), **run.outcomes, **decided}
