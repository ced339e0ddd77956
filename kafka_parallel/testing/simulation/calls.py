"""The meaning of one call of a handler for its records, and the records that must come next in a lane.

Records of a lane that are in one call stand there in order. If one fails and is not skipped, it comes again, and
everything behind it in its lane and call comes again behind it, handled or not; nothing else may come before that.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from kafka import TopicPartition

from kafka_parallel import HandlerTimeout

# The largest difference of two sums of the same times, in seconds.
EPSILON = 1e-6

Place = tuple[TopicPartition, int]
Lane = tuple[TopicPartition, Hashable]


class Call:
    """One call of a handler.

    :param records: its records.
    :param began: when, in seconds of the world.
    :param lane_of: the ordering key of a record; ``None`` = it needs no order.
    :ivar periods: of its partitions, each with the number of its assignment.
    :ivar seconds: how long it takes.
    :ivar has_ended: whether it returned or raised.
    :ivar is_late: true if its records failed at its deadline: later acts change nothing.
    :ivar is_on_its_way: whether it ended in another process, of which the instance cannot know yet.
    :ivar is_undone: whether it was cancelled, or its process has died.
    :ivar overdue: those of its records that failed for that, as far as a verdict was asked for.
    :ivar finished: those of its records that need no more work, each with its failures before; ``None`` = not by this
        call.
    :ivar gone: of its partitions, those that had left when it ended; until then, those that have left.
    :ivar owned: those that had not left when the instance was seen to go on after its end.
    :ivar retries: how many of its records are at a retry, as far as that can be told.
    """

    def __init__(
        self, instance: str, records: Sequence[Any], lane_of: Callable[[Any], Hashable | None], began: float
    ) -> None:
        self.instance = instance
        self.records = records
        self.periods: dict[TopicPartition, int] = {}
        self.gone: set[TopicPartition] = set()
        self.owned: set[TopicPartition] = set()
        self.seconds = 0.0
        self.retries = 0
        self.has_ended = self.is_late = self.is_undone = self.is_on_its_way = False
        self.overdue: set[Place] = set()
        self.finished: dict[Place, int | None] = {}
        self._began = began
        self._ended: float | None = None
        self._answered: set[Place] = set()
        self._failed: set[Place] = set()
        self._skipped: dict[Place, bool] = {}
        self._lanes: dict[Lane, list[Place]] = {}
        self._loose: list[Place] = []
        for record in records:
            place, lane = place_of(record), lane_of(record)
            (self._loose if lane is None else self._lanes.setdefault((place[0], lane), [])).append(place)

    @property
    def lanes(self) -> dict[Lane, int]:
        """The lanes that wait for it, each with its first offset there."""
        return {lane: places[0][1] for lane, places in self._lanes.items()}

    @property
    def partitions(self) -> set[TopicPartition]:
        """The partitions of its records."""
        return {place_of(record)[0] for record in self.records}

    def answered(self, lane: Lane, offsets: Iterable[int]) -> None:
        """Note that wrappers answered for *offsets* of *lane*, which were in the same batch unless they were before."""
        places = self._lanes[lane]
        found = [place for place in ((lane[0], offset) for offset in offsets) if place not in places]
        self._answered.update(found)
        self._lanes[lane] = sorted([*places, *(place for place in found if place > places[0])])

    def waits_for(self, place: Place) -> bool:
        """Tell whether *place* has to come before anything of it may: not if a wrapper has answered for it."""
        return place not in self._answered

    def lasted(self, now: float) -> float:
        """The seconds it has taken, up to *now*."""
        return (now if self._ended is None else self._ended) - self._began

    def is_overdue(self, now: float) -> tuple[bool, bool, float]:
        """A rank for the likelihood that it missed its deadline *now*: it was given up, still runs, or ended last."""
        return self.is_undone and self._ended == now, not self.has_ended, self._began + self.lasted(now)

    def fits(self, place: Place, seconds: float, error: BaseException | None, *, is_exact: bool) -> bool:
        """Tell whether it fits a report of an attempt at *place* that took *seconds* and raised *error*.

        :param is_exact: nothing around the handler takes time, or raises.
        """
        if self.is_late or isinstance(error, HandlerTimeout):  # it may be told before on_error hears of it
            return isinstance(error, HandlerTimeout)
        if not self.has_ended:
            return False
        if self.is_undone and error is not None and not is_exact:
            return True  # when a process died, the beginning of its record is unknown
        if is_exact and self._has_failed(place) != (error is not None):
            return False
        lasted = self.lasted(0.0)
        return abs(seconds - lasted) < EPSILON if is_exact else seconds > lasted - EPSILON

    def has_to_be_told(self, place: Place, *, failed_too: bool) -> bool:
        """Tell whether a plugin has to be told of its attempt at *place*."""
        is_heard = self.has_ended and place[0] in self.owned and not self.is_undone
        return is_heard and (failed_too or place not in self._failed)

    def end(self, failed: Iterable[Place], now: float) -> None:
        """Note that it returned *now*, or which of its records *failed*."""
        self.has_ended, self._ended = True, now
        self._failed = set(failed)

    def decide(self, place: Place, *, is_skip: bool) -> None:
        """Note the verdict about a failed record; of several verdicts the first is about this call."""
        self._skipped.setdefault(place, is_skip)

    def done(self) -> list[Place]:
        """Its records that need not be handled again."""
        if self.is_late or not self.has_ended:
            return []
        in_order = (places[: self._first_that_stays(places)] for places in self._lanes.values())
        return [
            place
            for places in (*in_order, self._loose)
            for place in places
            if place not in self._failed | self._answered
        ]

    def left(self, lane: Lane) -> list[int]:
        """The offsets that come again in *lane*."""
        places = self._lanes[lane]
        stay = places[self._first_that_stays(places) :]
        return [place[1] for place in stay if not self._skipped.get(place) and place not in self.finished]

    def comes_first(self, place: Place) -> bool:
        """Tell whether nothing of its lane comes again before *place* does, which failed in this call."""
        lane = next((lane for lane, places in self._lanes.items() if place in places), None)
        return lane is None or self.left(lane)[:1] == [place[1]]

    def _first_that_stays(self, places: Sequence[Place]) -> int:
        failed = (at for at, place in enumerate(places) if self._has_failed(place) and not self._skipped.get(place))
        return next(failed, len(places))

    def _has_failed(self, place: Place) -> bool:
        """Tell whether its attempt failed; a wrapper's answer holds although the handler of the others was late."""
        return place in self._failed or (self.is_late and place not in self._answered)


class LaneOrder:
    """The records that have begun in one lane of one instance, in the order they began.

    :param period: since which assignment.
    """

    def __init__(self, period: int) -> None:
        self.period = period
        self.call: Call | None = None
        self._next: list[int] = []
        self._latest = -1
        self._jumps = 0

    def begin(self, call: Call, lane: Lane, offset: int, *, is_exact: bool, jumps: Sequence[int] = ()) -> str | None:
        """Note that *offset* is in *call*; return the problem with that, if there is one.

        :param is_exact: nothing may come twice unless it has to.
        :param jumps: the targets of the jumps back in its partition so far; when each is noticed, is not known.
        """
        if call is not self.call:
            left = [] if self.call is None else self.call.left(lane)
            self._next = [one for one in [*left, *self._next] if call.waits_for((lane[0], one))]
            self.call = call
        wrong = self._wrong(offset, is_exact=is_exact)
        while wrong is not None and self._jumps < len(jumps):
            target = jumps[self._jumps]
            self._jumps += 1
            self._next = [one for one in self._next if one < target]
            self._latest = min(self._latest, target - 1)
            wrong = self._wrong(offset, is_exact=is_exact)
        self._next = self._next[1:]
        self._latest = max(self._latest, offset)
        return wrong

    def _wrong(self, offset: int, *, is_exact: bool) -> str | None:
        """The problem if *offset* comes next."""
        if self._next and offset != self._next[0]:
            return f"began, but @{self._next[0]} of its lane has to come again first"
        if not self._next and offset < self._latest + is_exact:
            return f"began after @{self._latest} of its lane"
        return None

    def finish(self, place: Place) -> None:
        """Note that *place* needs no more work, although no handler did it."""
        self._next = [one for one in self._next if one != place[1]]
        if self.call is not None:
            self.call.finished.setdefault(place, None)  # a wrapper may have answered for it beside this call


def place_of(record: Any) -> Place:
    """The partition and the offset of a record."""
    return TopicPartition(record.topic, record.partition), record.offset
