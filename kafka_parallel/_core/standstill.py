"""Partitions that stand still, and what the record waits for that holds their commit point.

Rule 1: nothing is written down per record. Where each partition stands is looked at now and then, and a commit point
that is seen twice at the same offset has been there at least since the first time.
Rule 2: a partition of which nothing is buffered does not stand still: it has no record to finish.
Rule 3: a standstill is told when it has lasted long enough, and again at intervals while it lasts.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Generic, Literal, NamedTuple, TypeAlias, TypeVar

if TYPE_CHECKING:
    from kafka_parallel._core.assignment import Assignment
    from kafka_parallel._core.backlog import Backlog
    from kafka_parallel._core.dispatch import Dispatch
    from kafka_parallel._core.in_flight_limits import Throttles
    from kafka_parallel._core.task import Task

P = TypeVar("P", bound=Hashable)

# Seconds between two reports of one standstill.
AGAIN_AFTER = 60.0

Reason: TypeAlias = Literal["handler", "retry", "throttle", "key", "pace", "worker"]


class Standing(NamedTuple):
    """The record that holds the commit point of a partition, and what it waits for.

    :ivar offset: its offset.
    :ivar reason: ``"handler"`` = it runs; ``"retry"`` = its next attempt is not due; ``"throttle"`` = a plugin lets
        nothing start; ``"key"`` = another record of its key has not returned; ``"pace"`` = records start at a rate;
        ``"worker"`` = all workers are busy.
    :ivar attempt: the number of the attempt that runs or comes next; 1 unless it failed before.
    :ivar due: when that may start, in seconds of the monotonic clock; ``None`` if nothing but time is not enough.
    :ivar plugin: which plugin lets nothing start.
    :ivar finished: how many records above it are finished and cannot be committed.
    """

    offset: int
    reason: Reason
    attempt: int = 1
    due: float | None = None
    plugin: str | None = None
    finished: int = 0


class Standstills(Generic[P]):
    """Tells which partitions have stood still for long.

    :param after: how long that is, in seconds.
    """

    def __init__(self, after: float) -> None:
        self._after = after
        self._since: dict[P, tuple[int, float]] = {}
        self._told: dict[P, float] = {}
        self._next_look = float("-inf")

    def is_due(self, now: float) -> bool:
        """Tell whether it is time to look again: eight times before anything can be too long."""
        return now >= self._next_look

    def look(self, offsets: Mapping[P, int], now: float) -> dict[P, float]:
        """Take in where partitions stand; return those to be told of now, each with the seconds it has stood there."""
        self._next_look = now + min(self._after, AGAIN_AFTER) / 8
        before, self._since = self._since, {}
        for partition, offset in offsets.items():
            seen = before.get(partition)
            self._since[partition] = seen if seen is not None and seen[0] == offset else (offset, now)
        self._told = {partition: at for partition, at in self._told.items() if self._stands(partition, at)}
        found = {
            partition: now - since for partition, (_, since) in self._since.items() if self._is_due(partition, now)
        }
        self._told |= dict.fromkeys(found, now)
        return found

    def _stands(self, partition: P, told_at: float) -> bool:
        """Whether *partition* has not moved since it was told of."""
        return partition in self._since and self._since[partition][1] <= told_at

    def _is_due(self, partition: P, now: float) -> bool:
        if now - self._since[partition][1] < self._after:
            return False
        return partition not in self._told or now - self._told[partition] >= AGAIN_AFTER


def standing(
    assignment: Assignment, dispatch: Dispatch, backlog: Backlog, throttles: Throttles, now: float
) -> Standing | None:
    """Tell what the lowest unfinished record of *assignment* waits for; ``None`` if nothing is unfinished."""
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
        return Standing(offset, "retry", retry[1].attempt, retry[0])
    if throttles.closed_by is not None:
        return Standing(offset, "throttle", plugin=throttles.closed_by)
    return _found_in_line(assignment, offset, throttles, now)


def _found_in_line(assignment: Assignment, offset: int, throttles: Throttles, now: float) -> Standing:
    """Tell what a record waits for that could start but for its lane, its pace, or want of a worker."""
    lane = next((lane for lane in assignment.lanes.values() if lane.waiting and lane.waiting[0].offset == offset), None)
    attempt = 1 if lane is None else lane.waiting[0].attempt
    if lane is not None and (lane_due := throttles.pace.lane_due(lane)) is not None:
        return Standing(offset, "pace", attempt, lane_due)
    if lane is not None and lane.held:
        return Standing(offset, "key", attempt)
    opens = throttles.pace.opens
    return Standing(offset, "pace", attempt, opens) if opens > now else Standing(offset, "worker", attempt)
