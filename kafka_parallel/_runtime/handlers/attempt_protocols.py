"""How the loop's room calls the handlers' room: one task, one batch, or either of them on an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kafka_parallel._core.outcome import BatchOutcomes, Outcome
    from kafka_parallel._core.task import Task
    from kafka_parallel._core.task_batch import TaskBatch
    from kafka_parallel.values import Stage


class Attempt(Protocol):
    """Runs one task."""

    def __call__(self, task: Task) -> Outcome:
        """Run it here and now."""

    def sent(self, task: Task) -> Any:
        """Return what is to be sent elsewhere for *task*: its raw record, or a stand-in of it."""

    def failed_elsewhere(self, task: Task, error: BaseException, stage: Stage) -> Outcome:
        """Return the outcome of a task that ran in another process and raised *error*."""


class AttemptBatch(Protocol):
    """Runs one batch without the tasks whose assignment has ended."""

    def __call__(self, batch: TaskBatch) -> BatchOutcomes:
        """Run it here and now."""


class Coroutines(Protocol):
    """Runs tasks and batches whose handler is ``async def``."""

    def begin_task(self, chunk: Any, task: Any, wants: Callable[[Any], bool]) -> Awaitable[None] | None:
        """Run it on the running event loop; return its rest, or ``None`` if it has ended."""

    def decide_at_once(self) -> None:
        """Decide about failures on the event loop's thread from now on: in a forked child, where that is the end."""
