"""The handlers that run under a deadline, and the right to decide about their records.

A thread cannot be stopped. So when a plain handler has used up its time, its record fails without it: the one that
takes the entry of a handler out of the table first, the worker at the end or the watch at the deadline, decides. Taking
out of a dict is atomic, with and without the GIL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias

from kafka_parallel._core.task_batch import TaskBatch
from kafka_parallel.errors import HandlerTimeout

if TYPE_CHECKING:
    from kafka_parallel._core.outcome import BatchOutcome
    from kafka_parallel._core.task import Lane, Task
    from kafka_parallel._runtime.clock import Clock

Decide: TypeAlias = "Callable[[HandlerTimeout], Mapping[Task, BatchOutcome]]"


class Running:
    """A handler that runs: a context manager around its call.

    :param item: the record, or the batch, that it is at.
    :param tasks: the tasks of it that the handler has: wrappers may keep records out of a batch.
    :param decide: tells how each record ended if the handler takes too long; may block.
    :ivar since: when it began, in seconds of the monotonic clock.
    """

    def __init__(
        self,
        table: dict[Running, None],
        item: Task | TaskBatch,
        tasks: Sequence[Task],
        decide: Decide,
        since: float,
    ) -> None:
        self._table = table
        self._tasks = tasks
        self.item = item
        self.decide = decide
        self.since = since

    def __enter__(self) -> Running:
        self._table[self] = None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Leave the table; if it was taken out before, the handler's outcome comes too late."""
        if not self.claim_verdict():
            raise OverdueError(self) from error

    @property
    def lanes(self) -> set[Lane | None]:
        """The lanes in which nothing may run before the handler returns."""
        return {task.lane for task in self._tasks}

    def claim_verdict(self) -> bool:
        """Claim the right to say how the records ended; true for one caller only."""
        try:
            del self._table[self]
        except KeyError:
            return False
        return True


class OverdueError(BaseException):
    """The handler ended after its deadline, when its records had failed already; it never gets outside."""

    def __init__(self, running: Running) -> None:
        super().__init__(f"{running.item} ended too late")
        self.running = running


# see docs/decisions/0030-deadline-takes-the-chunk.md
class Deadlines:
    """The handlers of one consumer that run under a deadline.

    :param timeout: seconds a handler may take.
    """

    def __init__(self, timeout: float, clock: Clock) -> None:
        self.timeout = timeout
        self._clock = clock
        self._table: dict[Running, None] = {}

    def watched(self, item: Task | TaskBatch, tasks: Sequence[Task], decide: Decide) -> Running:
        """Make the context manager for a handler that is about to be called with *tasks*.

        It raises `OverdueError` at its end if the handler took too long.
        """
        return Running(self._table, item, tasks, decide, self._clock.monotonic())

    def overdue(self, now: float) -> list[Running]:
        """Return the handlers that have used up their time."""
        return [running for running in list(self._table) if now - running.since >= self.timeout]


def timed_out(item: Task | TaskBatch, timeout: float) -> HandlerTimeout:
    """The failure of a record, or of each of a batch, whose handler takes longer than *timeout* seconds."""
    return HandlerTimeout(f"the handler of {described(item)} took longer than handler_timeout_ms={timeout * 1000:g}")


def described(item: Task | TaskBatch) -> str:
    """Name a record, or all those of a batch."""
    if not isinstance(item, TaskBatch):
        return f"record {_place(item)}"
    tasks = item.tasks
    return f"a batch of {len(tasks)} records from {_place(tasks[0])} on" if tasks else "an empty batch"


def _place(task: Task) -> str:
    return f"{task.record.topic}[{task.record.partition}]@{task.offset}"
