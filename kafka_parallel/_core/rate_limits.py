"""When the next record may start, if plugins let only so many start per second.

Rule 1: a rate is a rate and a burst. In any time of t seconds at most burst + rate * t records start: all together, or
of each lane (an ordering key in its scope). Records without order have no rate of their own.
Rule 2: a start counts, and a retry is one. A worker takes the records it starts at once, so that a record counted when
it is taken starts then: one record, or if many are allowed, those of a millisecond.
Rule 3: a lane that has to wait is parked, see ``parking.py``.
Rule 4: a lane's bucket that is full again is forgotten: a lane begins with a full one.
Rule 5: a batch starts when its first record may, and all of its records count: it may exceed the burst, not the rate.
Rule 6: every plugin has rate limits of its own, and all of them must allow a start.

Theory. This is the generic cell rate algorithm (ITU-T Recommendation I.371; "virtual scheduling"), a token bucket kept
as one number: the time at which the bucket will be full again. So nothing has to be counted up while time passes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from itertools import islice
from typing import TypeAlias

from kafka_parallel._core.parking import Parking
from kafka_parallel._core.start_limit import Limit
from kafka_parallel._core.task import Task
from kafka_parallel._core.times import AT_ONCE, NEVER

# How much a worker takes at once, in seconds of the rate.
TAKEN_SECONDS = 0.001
# The number of buckets checked per start for whether they can be forgotten: more than a start can add.
SWEPT = 2

Place: TypeAlias = "tuple[Hashable, Hashable] | None"
"""The owner of a bucket: an ordering key in its scope, or ``None`` for everything together."""


class TokenBuckets:
    """One rate limit, and the bucket of every place that is not full.

    :param per_second: how many records may start per second.
    :param burst: how many may start at once when the bucket is full.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self.per_second = per_second
        self._interval = 1 / per_second
        self._tolerance = (burst - 1) * self._interval
        self._full_at: OrderedDict[Place, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def earliest_start(self, place: Place) -> float:
        """When the next record of *place* may start; it may be long ago."""
        return self._full_at.get(place, AT_ONCE) - self._tolerance

    def count_starts(self, place: Place, count: int, now: float) -> None:
        """Note that *count* records of *place* start."""
        self._full_at[place] = max(now, self._full_at.get(place, now)) + count * self._interval
        self._full_at.move_to_end(place)
        for oldest in list(islice(self._full_at, SWEPT)):
            if self._full_at[oldest] > now:
                return
            del self._full_at[oldest]

    def fits(self, place: Place, now: float, end: float) -> int:
        """The number of records of *place* that may start from *now* until *end*."""
        left = end + self._tolerance - max(now, self._full_at.get(place, now))
        return 0 if left < 0 else 1 + int(min(left / self._interval, 1e9))

    def continue_from(self, before: TokenBuckets, now: float) -> None:
        """Begin with the records missing in each bucket that are missing in the one of *before*."""
        scale = before.per_second * self._interval
        self._full_at.update((place, now + (at - now) * scale) for place, at in before._full_at.items() if at > now)


# see docs/decisions/0032-rate-is-data.md
class RateLimits:
    """The rate limits of all plugins; a `Limit`.

    :param parked: the lanes and tasks that wait for a start.
    :param limits: this is one of them while any record has a rate limit.
    """

    name = "a rate limit"

    def __init__(self, parked: Parking, limits: list[Limit]) -> None:
        self._parked = parked
        self._limits = limits
        self._overall: dict[str, TokenBuckets] = {}
        self._by_lane: dict[str, TokenBuckets] = {}

    # Settings of plugins

    def set_overall(self, name: str, rate: TokenBuckets | None, now: float) -> None:
        """Let *name* bound how fast records start; ``None`` takes that back."""
        self._set(self._overall, name, rate, now)

    def set_by_lane(self, name: str, rate: TokenBuckets | None, now: float) -> None:
        """Let *name* bound how fast the records of each lane start; ``None`` takes that back."""
        self._set(self._by_lane, name, rate, now)
        self._parked.look_again()

    def _set(self, table: dict[str, TokenBuckets], name: str, rate: TokenBuckets | None, now: float) -> None:
        before = table.pop(name, None)
        if rate is not None:
            table[name] = rate
            if before is not None:
                rate.continue_from(before, now)
        if self in self._limits:
            self._limits.remove(self)
        if self._overall or self._by_lane:
            self._limits.append(self)

    # Work

    def count_starts(self, tasks: Sequence[Task], now: float) -> None:
        """Note that *tasks* start, which are of one lane if they are several."""
        for rate in self._overall.values():
            rate.count_starts(None, len(tasks), now)
        if tasks[0].lane is None:
            return
        for rate in self._by_lane.values():
            rate.count_starts(_place(tasks[0]), len(tasks), now)

    def count_ends(self, _tasks: Sequence[Task]) -> bool:
        """Do nothing: a rate is about starts."""
        return False

    # Questions

    @property
    def most_at_once(self) -> int:
        """The most tasks that a worker takes at once."""
        slowest = min((rate.per_second for rate in self._overall.values()), default=NEVER)
        return 1 if self._by_lane else int(min(max(1.0, slowest * TAKEN_SECONDS), 1e9))

    @property
    def bounds_all(self) -> bool:
        """True if there is a rate limit of all records together."""
        return bool(self._overall)

    @property
    def earliest_start(self) -> float:
        """When the next record may start as far as all together are concerned; it may be long ago."""
        return max((rate.earliest_start(None) for rate in self._overall.values()), default=AT_ONCE)

    def earliest_start_of(self, task: Task) -> float:
        """When *task* may start as far as its lane is concerned; it may be long ago."""
        if task.key is None or not self._by_lane:
            return AT_ONCE
        return max(rate.earliest_start(_place(task)) for rate in self._by_lane.values())

    def late(self, tasks: Iterable[Task], now: float, end: float) -> list[Task]:
        """Return, of *tasks* that no worker has, the first one of each assignment that cannot start before *end*.

        Records above it in its partition do not start either: they will be repeated anyway.
        """
        if not (self._overall or self._by_lane):
            return []
        left: dict[tuple[TokenBuckets, Place], int] = {}
        late: dict[Hashable, Task] = {}
        for task in sorted(tasks, key=lambda task: task.seq):
            if task.assignment not in late and not self._fits(task, left, now, end):
                late[task.assignment] = task
        return list(late.values())

    def _fits(self, task: Task, left: dict[tuple[TokenBuckets, Place], int], now: float, end: float) -> bool:
        """Tell whether *left* still has a start for *task*; take it out."""
        places: list[tuple[TokenBuckets, Place]] = [(rate, None) for rate in self._overall.values()]
        if task.key is not None:
            places += [(rate, _place(task)) for rate in self._by_lane.values()]
        for rate, place in places:
            left.setdefault((rate, place), rate.fits(place, now, end))
        if any(left[place] < 1 for place in places):
            return False
        for place in places:
            left[place] -= 1
        return True


def _place(task: Task) -> Place:
    return task.assignment.scope, task.key
