"""May this record start now? If not, when, or after what?

Rule 1: a bound on all records together is looked at first: how many are in flight, how fast they start. While it allows
nothing, nothing is taken out and workers wait.
Rule 2: a bound on some of them is a `Limit` (``start_limit.py``), asked for each unit that is taken out. A unit that it
holds back is parked (``parking.py``), and the next one is tried. Without a limit, none is asked: this runs once per
chunk.
Rule 3: a retry waits for its own time (``retries.py``) and for a place in the share of retries; then it is taken out
as any other record is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kafka_parallel._core.batch_queue import BatchQueue
from kafka_parallel._core.in_flight_limits import UNBOUNDED, Throttles
from kafka_parallel._core.times import AT_ONCE, NEVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kafka_parallel._core.backlog import Backlog
    from kafka_parallel._core.ordering import ReadyQueue
    from kafka_parallel._core.task import Runnable, Task


# see docs/decisions/0067-one-admission.md
class Admission:
    """Chooses the records that may start.

    :param throttles: the bounds of all plugins.
    """

    def __init__(self, throttles: Throttles) -> None:
        self._throttles = throttles
        self._rates = throttles.rates
        self._parked = throttles.parked
        self._limits = throttles.limits

    # Now

    def take_allowed(self, ready: ReadyQueue, limit: int, in_flight: int, now: float) -> list[Runnable]:
        """Take at most *limit* tasks out of *ready* that may start *now*, beside those *in_flight*."""
        if self._throttles.most_in_flight != UNBOUNDED:
            limit = int(min(limit, self.room(in_flight)))
        if not (self._limits or self._parked.waiting):  # `is_selective` without a call: this runs for each chunk
            return ready.pop_units(limit)
        self._parked.release_due(ready, now)
        limit = min(limit, self._rates.most_at_once)
        units: list[Runnable] = []
        while not units and limit > 0 and self._rates.earliest_start <= now:
            has_released = self._parked.release_open(ready)
            units = self._take_each(ready, limit, now)
            if not has_released:  # nothing is left that might start
                break
        return units

    def _take_each(self, ready: ReadyQueue, limit: float, now: float) -> list[Runnable]:
        units: list[Runnable] = []
        while limit > 0 and self._rates.earliest_start <= now and (taken := ready.pop_units(1)):
            if self._starts(ready, taken[0], now):
                units += taken
                limit -= 1
        return units

    def take_allowed_batch(self, ready: BatchQueue, in_flight: int, now: float) -> list[Runnable]:
        """Take the units of one batch that may start *now*; its first record decides for all together."""
        limit = self.room(in_flight)
        if not self.is_selective:
            return ready.pop_batch(limit, now)
        self._parked.release_due(ready, now)
        while self._rates.earliest_start <= now:
            has_released = self._parked.release_open(ready)
            batch = ready.pop_batch(limit, now)
            if units := [unit for unit in batch if self._starts(ready, unit, now)]:
                return units
            if not (batch or has_released):
                break
        return []

    def _starts(self, ready: ReadyQueue | BatchQueue, unit: Runnable, now: float) -> bool:
        """Count the start of *unit*, or park it until the first limit that holds it back opens: then all are asked."""
        tasks = unit.tasks
        first = tasks[0]
        for limit in self._limits:
            if (start := limit.earliest_start_of(first)) > now:
                self._parked.park(ready, unit, start, limit)
                return False
        for limit in self._limits:
            limit.count_starts(tasks, now)
        return True

    def count_ends(self, tasks: Sequence[Task]) -> None:
        """Note that *tasks* are in flight no more: they ended, or went back to their lane."""
        opened = [limit.count_ends(tasks) for limit in self._limits]
        if any(opened):
            self._parked.look_again()

    def room(self, in_flight: int) -> float:
        """The number of further tasks that may be in flight."""
        bound = self._throttles.most_in_flight
        return bound if bound == UNBOUNDED else max(0.0, bound - in_flight)

    @property
    def is_selective(self) -> bool:
        """True if some record may have to wait while others start."""
        return bool(self._limits or self._parked.waiting)

    # If not, when

    def earliest_start_of(self, task: Task) -> float:
        """When *task* may start if nothing else starts before, as far as time tells; it may be long ago."""
        starts = [limit.earliest_start_of(task) for limit in self._limits]
        return max((self._rates.earliest_start, *(start for start in starts if start != NEVER)))

    def rate_limited(self, ready: int, now: float) -> int:
        """The number of records that wait for a rate only, if *ready* lanes and tasks without order are not parked."""
        parked = sum(entry.limit is self._rates for entry in self._parked.waiting)
        return parked + (ready if self._rates.earliest_start > now else 0)

    def next_due(self, backlog: Backlog, in_flight: int) -> float | None:
        """When something of *backlog* may start that may not now, unless something ends first; ``None`` if never."""
        ready, retries, throttles = backlog.ready, backlog.retries, self._throttles
        if not (retries.waiting or throttles.next_change != NEVER or self.is_selective or _is_batched(ready)):
            return None  # the usual case: nothing waits for a time
        dues: list[float | None] = [None if throttles.next_change == NEVER else throttles.next_change]
        if self.room(in_flight) > 0:
            dues.append(self._next_start(is_ready=bool(ready)))
            if isinstance(ready, BatchQueue) and ready.next_due is not None:
                dues.append(max(ready.next_due, self._rates.earliest_start))
            if len(retries.running) < throttles.most_retries:
                dues.append(retries.next_due)
        return min((due for due in dues if due is not None), default=None)

    def _next_start(self, *, is_ready: bool) -> float | None:
        """When something may start that waits for a limit; *is_ready* tells whether anything may run but for that."""
        if is_ready and self._rates.bounds_all:
            return self._rates.earliest_start
        waiting = self._parked.waiting
        due = AT_ONCE if self._parked.has_open else waiting[0].due if waiting else None
        return None if due is None else max(self._rates.earliest_start, due)


def _is_batched(ready: ReadyQueue | BatchQueue) -> bool:
    return isinstance(ready, BatchQueue)
