"""The lanes, and the records without order, that may not start yet.

Rule 1: a parked lane stays held, and its records wait in it. A record without order is parked itself. Neither occupies
a worker, and nothing else waits for them.
Rule 2: each waits until a time. One that waits for the end of another record has no time: `look_again` lets it go, or
`release_open` if it waits for a place of a group, as many of these as there are places, the oldest first.
Rule 3: one that is let go takes its old place in the order of arrival, and is asked again whether it may start.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from kafka_parallel._core.group_limits import GroupLimit
from kafka_parallel._core.task import Lane, Task
from kafka_parallel._core.times import AT_ONCE, NEVER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kafka_parallel._core.batch_queue import BatchQueue
    from kafka_parallel._core.ordering import ReadyQueue
    from kafka_parallel._core.start_limit import Limit
    from kafka_parallel._core.task import Runnable


class Parked(NamedTuple):
    """A lane or a record without order that waits.

    :ivar until: when it is asked again; `NEVER` = when a record ends.
    :ivar seq: its place in the order of arrival.
    :ivar number: the how-manieth it is: no two are equal, so lanes and tasks are not compared.
    :ivar what: the lane or the task.
    :ivar limit: the one that holds it back.
    """

    until: float
    seq: int
    number: int
    what: Lane | Task
    limit: Limit

    @property
    def due(self) -> float | None:
        """When it may start; ``None`` if that is not known."""
        return None if self.until == NEVER else self.until


class Parking:
    """Lanes and records that wait until they may start.

    :ivar waiting: those that wait for a time, or for the end of any record: a heap.
    """

    def __init__(self) -> None:
        self.waiting: list[Parked] = []
        self._for_places: dict[GroupLimit, list[tuple[int, int, Parked]]] = {}
        self._parked = count()

    def __iter__(self) -> Iterator[Parked]:
        """All of them."""
        yield from self.waiting
        for line in self._for_places.values():
            yield from (entry for *_, entry in line)

    def park(self, ready: ReadyQueue | BatchQueue, unit: Runnable, until: float, limit: Limit) -> None:
        """Let *unit*, which was taken out of *ready*, wait *until* then, as *limit* says."""
        if unit.lane is not None:
            ready.requeue_unit(unit)
        for parked in unit.tasks if unit.lane is None else (unit.lane,):
            entry = Parked(until, unit.tasks[0].seq, next(self._parked), parked, limit)
            if isinstance(limit, GroupLimit):
                heappush(self._for_places.setdefault(limit, []), (entry.seq, entry.number, entry))
            else:
                heappush(self.waiting, entry)

    def release_due(self, ready: ReadyQueue | BatchQueue, now: float) -> None:
        """Give the parked lanes and records back to *ready* whose time has come."""
        while self.waiting and self.waiting[0].until <= now:
            _give_back(ready, heappop(self.waiting))

    def release_open(self, ready: ReadyQueue | BatchQueue) -> bool:
        """Give those back for which there are places; tell whether there were any."""
        opened = self._opened()
        for limit, line in opened:
            for _ in range(min(limit.places, len(line))):
                _give_back(ready, heappop(line)[-1])
            if not line:
                del self._for_places[limit]
        return bool(opened)

    @property
    def has_open(self) -> bool:
        """True if some wait for a place, and there is one."""
        return bool(self._opened())

    def _opened(self) -> list[tuple[GroupLimit, list[tuple[int, int, Parked]]]]:
        return [(limit, line) for limit, line in self._for_places.items() if limit.places]

    def look_again(self) -> None:
        """Ask all again whether they may start: a limit was changed, or something ended that they wait for."""
        self.waiting = [entry._replace(until=AT_ONCE) for entry in self]
        self._for_places = {}
        heapify(self.waiting)

    def entry_of(self, task: Task) -> Parked | None:
        """The entry of a record without order, or of the lane that it stands in; ``None`` if that is not parked."""
        return next((entry for entry in self if entry.what is task or entry.what is task.lane), None)

    def unordered_tasks(self) -> list[Task]:
        """Return the parked records without order."""
        return [entry.what for entry in self if isinstance(entry.what, Task)]

    def forget_dropped(self, loose: set[Task]) -> None:
        """Forget *loose* tasks."""
        if not loose:
            return
        self.waiting = [entry for entry in self.waiting if entry.what not in loose]
        heapify(self.waiting)
        for limit, line in [*self._for_places.items()]:
            kept = [item for item in line if item[-1].what not in loose]
            heapify(kept)
            if kept:
                self._for_places[limit] = kept
            else:
                del self._for_places[limit]


def _give_back(ready: ReadyQueue | BatchQueue, entry: Parked) -> None:
    if isinstance(entry.what, Lane):
        ready.release(entry.what)
    else:
        ready.make_ready(entry.what)
