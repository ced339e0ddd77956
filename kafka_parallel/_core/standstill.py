"""The obstacle of the record that holds the commit point of a partition which stands still."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from kafka_parallel._core.progress import at_work

if TYPE_CHECKING:
    from kafka_parallel._core.assignment import Assignment
    from kafka_parallel._core.backlog import Backlog
    from kafka_parallel._core.dispatch import Dispatch
    from kafka_parallel._core.in_flight_limits import Throttles
    from kafka_parallel._core.task import Lane, Task

Obstacle: TypeAlias = Literal["handler", "retry", "throttle", "key", "limit", "rate", "worker"]


class Standing(NamedTuple):
    """The record that holds the commit point of a partition, and the reason.

    :ivar offset: its offset.
    :ivar reason: ``"handler"`` = it runs; ``"retry"`` = its next attempt is not due; ``"throttle"`` = a plugin lets
        nothing start; ``"key"`` = another record of its key has not returned; ``"rate"`` = records start at a rate;
        ``"limit"`` = another limit on some records holds it back; ``"worker"`` = all workers are busy.
    :ivar attempt: the number of the attempt that runs or comes next; 1 unless it failed before.
    :ivar due: when that may start, in seconds of the monotonic clock; ``None`` if it waits for more than time.
    :ivar plugin: which plugin lets nothing start.
    :ivar behind: the offset of the record of its key that it waits for; ``None`` without one.
    :ivar error: the class of the error by which it failed last; ``None`` unless it waits for another attempt.
    :ivar since: since when it is known to be so, in seconds of the monotonic clock; ``None`` if that is not noted.
    :ivar limit: the name of the limit that holds it back.
    :ivar is_earlier: whether the handler that runs began under an earlier assignment, before a revocation.
    :ivar finished: how many records above it are finished and cannot be committed.
    """

    offset: int
    reason: Obstacle
    attempt: int = 1
    due: float | None = None
    plugin: str | None = None
    behind: int | None = None
    error: str | None = None
    since: float | None = None
    limit: str | None = None
    finished: int = 0
    is_earlier: bool = False


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
    task = next((task for task in backlog.unstarted([assignment])[assignment] if is_it(task)), None)
    if task is None:
        return Standing(offset, "worker")
    line = _found_in_line(task, throttles, now)
    return _behind_its_key(line, task, task.lane, dispatch, backlog) if line.reason == "key" and task.lane else line


def _behind_its_key(line: Standing, task: Task, lane: Lane, dispatch: Dispatch, backlog: Backlog) -> Standing:
    if _runs_from_before(task.assignment, task.offset, dispatch):
        return line._replace(reason="handler", is_earlier=True)
    return line._replace(behind=_ahead(lane, dispatch, backlog))


def _runs_from_before(assignment: Assignment, offset: int, dispatch: Dispatch) -> bool:
    """Tell if an attempt at the record runs that began under an earlier assignment: the record waits for itself."""
    running = (task for item, _ in at_work(dispatch) for task in item.tasks)
    return any(
        task.offset == offset
        and task.assignment is not assignment
        and task.assignment.partition == assignment.partition
        for task in running
    )


def _ahead(lane: Lane, dispatch: Dispatch, backlog: Backlog) -> int | None:
    """The record that holds *lane*: it runs, runs although it is overdue, or waits for its next attempt."""
    running = (task for item in dispatch.at_work() for task in item.tasks)
    overdue = (task for found in dispatch.overdue_handlers for task in found.item.tasks)
    return next((task.offset for task in (*running, *overdue, *backlog.retries.tasks()) if task.lane is lane), None)


def _found_in_line(task: Task, throttles: Throttles, now: float) -> Standing:
    """Describe a record that could start but for a limit, its lane, or want of a worker."""
    offset, attempt = task.offset, task.attempt
    if (parked := throttles.parked.entry_of(task)) is not None:
        if parked.limit is throttles.rates:
            return Standing(offset, "rate", attempt, parked.due)
        return Standing(offset, "limit", attempt, parked.due, limit=parked.limit.name)
    if task.lane is not None and task.lane.held:
        return Standing(offset, "key", attempt)
    opens = throttles.rates.earliest_start
    return Standing(offset, "rate", attempt, opens) if opens > now else Standing(offset, "worker", attempt)
