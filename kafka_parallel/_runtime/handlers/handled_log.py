"""The attempts that have ended and that no plugin was told of yet.

A call per record and plugin costs more than many a handler, so ``on_handled`` is called once for many. Until then the
attempts are kept in one list: appending is atomic, so workers need no lock for a record, and the attempts of a worker
that is stuck in its next record are told by the next worker that hands over. Without a plugin for the hook, none of
this is there: the reading of the clock is composed around the call of the handler at start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any

from kafka_parallel._core.chunk import take_all
from kafka_parallel._runtime.handlers.deadlines import OverdueError
from kafka_parallel._runtime.handlers.verdict import counts

if TYPE_CHECKING:
    from kafka_parallel._core.task import Task
    from kafka_parallel._runtime.clock import Clock
    from kafka_parallel.executors import Report
    from kafka_parallel.values import Handled


# see docs/decisions/0054-measured-per-chunk.md
class HandledLog:
    """Attempts that have ended. Any thread may call every method.

    :param tell_plugins: calls ``on_handled``.
    """

    def __init__(self, tell_plugins: Callable[[Sequence[Handled]], None], clock: Clock) -> None:
        self.now = clock.monotonic
        self._tell_plugins = tell_plugins
        self._ended: list[Handled] = []
        self._taking = clock.lock()  # guards taking out: two threads would tell an attempt twice
        self.add: Callable[[Handled], None] = self._ended.append

    def around(self, call: Callable[[Task, Any], object]) -> Callable[[Task, Any], object]:
        """Compose a measurement around *call*, a function of a task and its record as the handler sees it."""
        now, add = self.now, self.add

        def timed(task: Task, record: Any) -> object:
            started = now()
            try:
                returned = call(task, record)
            except OverdueError:  # it has failed at its deadline, and that was noted then
                raise
            except BaseException as error:
                task.started_at = started
                self.note_end(task, error)
                raise
            if task.assignment.live or task.is_wanted:  # the test of `counts`, without its cost
                add((task.record, task.attempt, task.queued_at, started, now(), None))
            return returned

        return timed

    def note_end(self, task: Task, error: BaseException | None = None) -> None:
        """Note that the attempt at *task* that began at ``task.started_at`` has ended now, if it counts."""
        if counts(task, error):
            self.add((task.record, task.attempt, task.queued_at, task.started_at, self.now(), error))

    def reported(self, tasks: Iterable[Task], report: Report, since: float) -> None:
        """Note the first of *tasks*, which ran elsewhere, as told by *report*.

        They have ended now, when it is heard of, and began as long before as they took there; if that is not reported,
        at *since*, when this worker began to wait.
        """
        now = self.now()
        errors: list[BaseException | None] = [None] * report.returned
        if report.error is not None and report.stage == "handle":
            errors.append(report.error)
        lasted: Iterable[float] = report.durations_ms or repeat((now - since) * 1000)
        for task, error, duration_ms in zip(islice(tasks, len(errors)), errors, lasted, strict=False):
            task.started_at = now - duration_ms / 1000
            self.note_end(task, error)

    def deliver(self) -> None:
        """Tell the plugins of all attempts that have ended; call it without a lock."""
        if not self._ended:
            return
        with self._taking:
            handled = take_all(self._ended)
        if handled:
            self._tell_plugins(handled)
