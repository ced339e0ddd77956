"""The end of each partition's log: the newest that is known, and whether the cluster has to be asked.

Rule 1: there are two sources, the high watermark that came with the last fetch, and the answers to questions.
Rule 2: a high watermark comes without its time. While the client stands at it and fetches, a fetch waits at the broker
and brings each change: it is as new as the last round of the loop. Else it is as old as the look before the one that
saw it first. A partition that is paused is not fetched, nor is one whose records wait in the client for room, however
often it is resumed.
Rule 3: a number that may be older than `STALE` is not told.
Rule 4: while some thread wants to know, the cluster is asked about all numbers that have not changed for a while; one
that the client stands at is not believed any more when the cluster does not answer.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Generic, NamedTuple, TypeVar

P = TypeVar("P", bound=Hashable)

# The age from which on a number is not told, in seconds.
STALE = 30.0
# The age from which on the cluster is asked, so that the answer is there in time, and the share of it that is soon.
ASK_AFTER, SOON = 20.0, 0.5
# The interval of looks, and the time that an answer may take before it is asked for again, in seconds.
LOOK, PATIENCE = 5.0, 10.0
# The time that a thread that has asked counts as one that wants to know, in seconds.
WANTED = 60.0

LONG_AGO = float("-inf")


class FetchedEnd(NamedTuple):
    """The end of a log as the last fetch told it.

    :ivar offset: the high watermark; ``None`` before the first fetch.
    :ivar is_current: whether the client stands there and fetches.
    """

    offset: int | None
    is_current: bool


class Known(NamedTuple):
    """An end, and when it was so at the latest, in seconds of the monotonic clock."""

    offset: int | None
    at: float


NOTHING = Known(None, LONG_AGO)


# see docs/decisions/0068-facts-are-read.md
class LogEnds(Generic[P]):
    """The known ends of logs. The loop looks and asks; any thread may want them: dicts that change are replaced whole.

    :ivar _asked: the partitions with a question that was not answered: when it was asked first, and last.
    """

    def __init__(self) -> None:
        self._fetched: dict[P, Known] = {}
        self._answers: dict[P, Known] = {}
        self._asked: dict[P, tuple[float, float]] = {}
        self._round_at: float | None = None
        self._looked_at: float | None = None
        self._wanted_at = LONG_AGO
        self._is_wanted_anew = False

    def want(self, now: float) -> None:
        """Note that a thread wants to know; the first one for long is not to wait for the next look."""
        self._is_wanted_anew = self._is_wanted_anew or now - self._wanted_at > WANTED
        self._wanted_at = now

    def note_round(self, now: float) -> bool:
        """Note that the loop comes round *now*; tell whether it is time to look."""
        self._round_at = now
        return self._is_wanted_anew or self._looked_at is None or now >= self._looked_at + LOOK

    def look(self, fetched: Mapping[P, FetchedEnd], now: float) -> list[P]:
        """Take in the high watermarks of all partitions; return those about which the cluster is to be asked."""
        self._fetched = {partition: self._seen(partition, end, now) for partition, end in fetched.items()}
        self._answers = {partition: answer for partition, answer in self._answers.items() if partition in fetched}
        self._asked = {partition: asked for partition, asked in self._asked.items() if partition in fetched}
        self._looked_at, self._is_wanted_anew = now, False
        questions = self._questions(now) if now - self._wanted_at <= WANTED else []
        self._asked = self._asked | {partition: (self._first_asked(partition, now), now) for partition in questions}
        return questions

    def _questions(self, now: float) -> list[P]:
        """The partitions to ask about: none, or with those that have to be all that will have to be soon."""
        ages = {
            partition: now - max(fetched.at, self._answers.get(partition, NOTHING).at)
            for partition, fetched in self._fetched.items()
            if now - self._asked.get(partition, (LONG_AGO, LONG_AGO))[1] >= PATIENCE
        }
        if max(ages.values(), default=0.0) < ASK_AFTER:
            return []
        return [partition for partition, age in ages.items() if age >= ASK_AFTER * SOON]

    def answered(self, ends: Mapping[P, int], asked_at: float) -> None:
        """Take in the answer to a question of *asked_at*; partitions that it leaves out are asked for again."""
        self._answers = self._answers | {partition: Known(end, asked_at) for partition, end in ends.items()}
        self._asked = {partition: asked for partition, asked in self._asked.items() if partition not in ends}

    def known(self, fetched: Mapping[P, FetchedEnd], now: float) -> dict[P, int]:
        """The newest end of each partition that is known and not stale."""
        found = {partition: self._newest(partition, end, now) for partition, end in fetched.items()}
        return {partition: end for partition, end in found.items() if end is not None}

    def _newest(self, partition: P, end: FetchedEnd, now: float) -> int | None:
        seen = self._seen(partition, end, now)
        if end.is_current and now - self._first_asked(partition, now) <= PATIENCE:
            seen = Known(end.offset, now if self._round_at is None else self._round_at)
        fresh = [
            known.offset
            for known in (seen, self._answers.get(partition, NOTHING))
            if known.offset is not None and now - known.at <= STALE
        ]
        return max(fresh, default=None)

    def _seen(self, partition: P, end: FetchedEnd, now: float) -> Known:
        """The high watermark of *partition*: the one of the last look, or a new one, which came after that."""
        seen = self._fetched.get(partition, NOTHING)
        if end.offset is None:
            return NOTHING
        if seen.offset == end.offset:
            return seen
        return Known(end.offset, now if self._looked_at is None else self._looked_at)

    def _first_asked(self, partition: P, now: float) -> float:
        """When the cluster was asked about *partition* first since its last answer; *now* if it was not."""
        return self._asked.get(partition, (now, now))[0]
