"""How far each partition is: the part of the facts that the scheduler knows.

Rule 1: nothing is kept for it. It is read from the ledgers when it is asked for, in one act.
Rule 2: the position is the ledger's. The client's own is ahead of it while records are on their way from ``poll()``,
and these would be missing then from both the records that are left in the log and the unfinished ones.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from kafka_parallel._core.assignment import Assignment, Assignments
    from kafka_parallel._core.backlog import Backlog
    from kafka_parallel._core.backpressure import Backpressure
    from kafka_parallel._core.dispatch import Dispatch
    from kafka_parallel._core.task import Task
    from kafka_parallel._core.task_batch import TaskBatch

P = TypeVar("P", bound=Hashable)


class AssignmentProgress(NamedTuple):
    """How far one assignment is.

    :ivar position: the lowest offset that may still come; ``None`` before it is known.
    :ivar committed: the newest offset that the broker confirmed.
    :ivar unfinished: how many records were taken in and are not finished, dropped ones included.
    :ivar span: the offsets from the committed one to the newest record.
    :ivar head_offset: the lowest unfinished offset; ``None`` if nothing is.
    :ivar head: its task; ``None`` without one, or if it stopped the consumer.
    :ivar paused_for: the reason of its pause; ``None`` if it is not paused.
    """

    position: int | None
    committed: int | None
    unfinished: int
    span: int
    head_offset: int | None
    head: Task | None
    paused_for: str | None


def progress(
    assignments: Assignments[P], backpressure: Backpressure[P], dispatch: Dispatch, backlog: Backlog
) -> dict[P, AssignmentProgress]:
    """Tell how far each of the live *assignments* is."""
    heads, reasons = _heads(assignments, dispatch, backlog), backpressure.reasons
    return {
        partition: AssignmentProgress(
            assignment.ledger.next,
            assignment.committed,
            assignment.ledger.records + assignment.ledger.dropped,
            backpressure.load(assignment).span,
            assignment.ledger.head,
            heads.get(assignment),
            reasons.get(partition),
        )
        for partition, assignment in assignments.live
    }


def _heads(assignments: Assignments[P], dispatch: Dispatch, backlog: Backlog) -> Mapping[Assignment, Task]:
    """Find the tasks of the lowest unfinished offsets; mostly workers have them, so the backlog is not looked at."""
    wanted = {assignment: assignment.ledger.head for assignment in assignments.with_unfinished.values()}
    wanted = {assignment: offset for assignment, offset in wanted.items() if offset is not None}
    found: dict[Assignment, Task] = {}
    if not wanted:
        return found
    for task in chain(dispatch.held(), backlog.tasks_of(wanted)):
        if wanted.get(task.assignment) == task.offset:
            found[task.assignment] = task
            if len(found) == len(wanted):
                break
    return found


def began_at(item: Task | TaskBatch, seen_at: float) -> float:
    """When the attempt at *item* began, in seconds of the monotonic clock.

    :param seen_at: when its worker was last seen to begin something. Plugins that measure know it better.
    """
    return max(seen_at, getattr(item.tasks[0], "started_at", seen_at))


def at_work(dispatch: Dispatch) -> list[tuple[Task | TaskBatch, float]]:
    """The records and batches that workers are at, and since when, handlers that are overdue included."""
    current = [(item, began_at(item, seen_at)) for item, seen_at in dispatch.at_work().items()]
    return current + [(running.item, running.since) for running in dispatch.overdue_handlers]


def handler_of(
    partition: Hashable, offset: int, running: Iterable[tuple[Task | TaskBatch, float]]
) -> tuple[Task | TaskBatch, float] | None:
    """Find which of the *running* handlers is at a record."""
    for item, since in running:
        if any(task.offset == offset and task.assignment.partition == partition for task in item.tasks):
            return item, since
    return None
