"""The lanes, and the records without order, that may not start yet.

Rule 1: a parked lane stays held, and its records wait in it. A record without order is parked itself. Neither occupies
a worker, and nothing else waits for them.
Rule 2: each waits until a time. One that waits for the end of another record has no time: `look_again` lets it go.
Rule 3: one that is let go takes its old place in the order of arrival, and is asked again whether it may start.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Protocol

from kafka_parallel._core.task import Lane, Task

if TYPE_CHECKING:
    from kafka_parallel._core.batch_queue import BatchQueue
    from kafka_parallel._core.ordering import ReadyQueue
    from kafka_parallel._core.task import Runnable

AT_ONCE, NEVER = float("-inf"), float("inf")


class Limit(Protocol):
    """A bound on some records: see ``admission.py``."""

    def earliest_start_of(self, task: Task) -> float:
        """When *task* may start if nothing else starts before; it may be long ago, or `NEVER` while it is not known."""

    def count_starts(self, first: Task, count: int, now: float) -> None:
        """Note that *first* starts, with those behind it in its lane: *count* records in all."""


class Parking:
    """Lanes and records that wait until they may start.

    :ivar waiting: a heap: until when, the place in the order of arrival, a number, and the lane or task.
    """

    def __init__(self) -> None:
        self.waiting: list[tuple[float, int, int, Lane | Task]] = []
        self._parked = count()

    def park(self, ready: ReadyQueue | BatchQueue, unit: Runnable, until: float) -> None:
        """Let *unit*, which was taken out of *ready*, wait *until* then."""
        if unit.lane is not None:
            ready.requeue_unit(unit)
        for parked in unit.tasks if unit.lane is None else (unit.lane,):
            heappush(self.waiting, (until, unit.tasks[0].seq, next(self._parked), parked))

    def release_due(self, ready: ReadyQueue | BatchQueue, now: float) -> None:
        """Give those back to *ready* that need not wait any longer."""
        while self.waiting and self.waiting[0][0] <= now:
            parked = heappop(self.waiting)[-1]
            if isinstance(parked, Lane):
                ready.release(parked)
            else:
                ready.make_ready(parked)

    def look_again(self) -> None:
        """Ask all again whether they may start: a limit was changed, or something ended that they wait for."""
        self.waiting = [(AT_ONCE, *entry[1:]) for entry in self.waiting]
        heapify(self.waiting)

    def due_of(self, parked: Lane | Task) -> float | None:
        """Until when a lane or a record waits; ``None`` if it is not parked."""
        return next((until for until, *_, waiting in self.waiting if waiting is parked), None)

    def unordered_tasks(self) -> list[Task]:
        """Return the parked records without order."""
        return [entry[-1] for entry in self.waiting if isinstance(entry[-1], Task)]

    def forget_dropped(self, loose: set[Task]) -> None:
        """Forget *loose* tasks."""
        if loose:
            self.waiting = [entry for entry in self.waiting if entry[-1] not in loose]
            heapify(self.waiting)
