"""The obstacle of the record that holds the commit point of a partition which stands still."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from kafka_parallel._core.assignment import Assignment
    from kafka_parallel._core.backlog import Backlog
    from kafka_parallel._core.dispatch import Dispatch
    from kafka_parallel._core.in_flight_limits import Throttles
    from kafka_parallel._core.task import Lane, Task

Reason: TypeAlias = Literal["handler", "retry", "throttle", "key", "rate", "worker"]


class Standing(NamedTuple):
    """The record that holds the commit point of a partition, and the reason.

    :ivar offset: its offset.
    :ivar reason: ``"handler"`` = it runs; ``"retry"`` = its next attempt is not due; ``"throttle"`` = a plugin lets
        nothing start; ``"key"`` = another record of its key has not returned; ``"rate"`` = records start at a rate;
        ``"worker"`` = all workers are busy.
    :ivar attempt: the number of the attempt that runs or comes next; 1 unless it failed before.
    :ivar due: when that may start, in seconds of the monotonic clock; ``None`` if nothing but time is not enough.
    :ivar plugin: which plugin lets nothing start.
    :ivar behind: the offset of the record of its key that it waits for; ``None`` without one.
    :ivar error: the class of the error by which it failed last; ``None`` unless it waits for another attempt.
    :ivar since: since when it is known to be so, in seconds of the monotonic clock; ``None`` if that is not noted.
    :ivar finished: how many records above it are finished and cannot be committed.
    """

    offset: int
    reason: Reason
    attempt: int = 1
    due: float | None = None
    plugin: str | None = None
    behind: int | None = None
    error: str | None = None
    since: float | None = None
    finished: int = 0


def standing(
    assignment: Assignment, dispatch: Dispatch, backlog: Backlog, throttles: Throttles, now: float
) -> Standing | None:
    """Describe the lowest unfinished record of *assignment*; ``None`` if nothing is unfinished."""
    offset = next(iter(assignment.ledger.sizes), None)
    if offset is None:
        return None
    found = _found(assignment, offset, dispatch, backlog, throttles, now)
    return found._replace(finished=assignment.ledger.finished_from(offset))


def _found(
    assignment: Assignment, offset: int, dispatch: Dispatch, backlog: Backlog, throttles: Throttles, now: float
) -> Standing:
    def is_it(task: Task) -> bool:
        return task.assignment is assignment and task.offset == offset

    running = next((task for item in dispatch.at_work() for task in item.tasks if is_it(task)), None)
    if running is not None:
        return Standing(offset, "handler", running.attempt)
    retry = next(((due, task) for due, *_, task in backlog.retries.waiting if is_it(task)), None)
    if retry is not None:
        due, waiting = retry
        return Standing(offset, "retry", waiting.attempt, due, error=waiting.failed_by, since=waiting.failing_since)
    if throttles.closed_by is not None:
        return Standing(offset, "throttle", plugin=throttles.closed_by)
    in_lanes = ((lane, task) for lane in assignment.lanes.values() for task in lane.waiting)
    lane, task = next(((lane, task) for lane, task in in_lanes if is_it(task)), (None, None))
    line = _found_in_line(offset, lane, 1 if task is None else task.attempt, throttles, now)
    return line._replace(behind=_ahead(lane, dispatch, backlog)) if line.reason == "key" and lane else line


def _ahead(lane: Lane, dispatch: Dispatch, backlog: Backlog) -> int | None:
    """The record that holds *lane*: it runs, runs although it is overdue, or waits for its next attempt."""
    running = (task for item in dispatch.at_work() for task in item.tasks)
    overdue = (task for found in dispatch.overdue_handlers for task in found.item.tasks)
    return next((task.offset for task in (*running, *overdue, *backlog.retries.tasks()) if task.lane is lane), None)


def _found_in_line(offset: int, lane: Lane | None, attempt: int, throttles: Throttles, now: float) -> Standing:
    """Describe a record that could start but for its lane, its rate, or want of a worker."""
    if lane is not None and (lane_due := throttles.parked.due_of(lane)) is not None:
        return Standing(offset, "rate", attempt, lane_due)
    if lane is not None and lane.held:
        return Standing(offset, "key", attempt)
    opens = throttles.rates.earliest_start
    return Standing(offset, "rate", attempt, opens) if opens > now else Standing(offset, "worker", attempt)
