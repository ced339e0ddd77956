"""How fast have records been handled in the last seconds, by partition?

Workers only append what has ended; the thread that makes a view counts it. Durations are counted in buckets whose
bounds grow by a twelfth of an octave, so a quantile is within 3 % of the exact one, and a second of 50,000 records
takes as little memory as one of 50. The keys that took the most of the time are found only if they may be shown, with a
sketch of bounded size for each second.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from kafka_parallel_plugins.heavy_hitters import HeavyHitters, Weight, merge
from kafka_parallel_plugins.key_names import name_of

if TYPE_CHECKING:
    from kafka_parallel import Handled

__all__ = ()

# Buckets per doubling of a duration.
PER_OCTAVE = 12
# How many seconds a view looks back, at one reading a second.
WINDOW = 10
# Seconds without a reading after which those before count no more.
LONGEST_GAP = 5.0
# The most hand-overs that wait to be counted: of more, the oldest are forgotten.
MOST_WAITING = 10_000
# How many keys are told.
MOST_KEYS = 5

Place: TypeAlias = "tuple[str, int]"
Ended: TypeAlias = "tuple[str, int, float, bool]"


@dataclass(slots=True)
class Durations:
    """Attempts that have ended.

    :ivar buckets: how many have a duration of that bucket.
    :ivar failed: how many of them raised.
    """

    buckets: Counter[int] = field(default_factory=Counter)
    failed: int = 0


class Pace(NamedTuple):
    """How fast records of one partition or topic are handled.

    :ivar per_second: attempts that ended, for each second.
    :ivar failed_per_second: those of them that raised.
    :ivar p50_ms: half of them took no longer, in milliseconds; ``None`` without any.
    :ivar p99_ms: the same of 99 %.
    """

    per_second: float = 0.0
    failed_per_second: float = 0.0
    p50_ms: float | None = None
    p99_ms: float | None = None


class SlowKey(NamedTuple):
    """A record key, and the time that handlers took for its records in the last seconds.

    :ivar key: its bytes; of a long one the first ones and a hash.
    :ivar handling_ms: that time, in milliseconds; at least so much.
    :ivar share: the part that it is of the time of all records.
    """

    topic: str
    partition: int
    key: bytes
    handling_ms: float
    share: float


class KeyTimes(NamedTuple):
    """The time of one second's attempts.

    :ivar total: of all of them, in seconds.
    :ivar keys: by topic, partition and key.
    """

    total: float
    keys: HeavyHitters


class RecentTimes:
    """Attempts of the last seconds. Any thread may `add`; one thread at a time may call `read`.

    :param with_keys: whether the time of each key is measured too.
    """

    def __init__(self, *, with_keys: bool = False) -> None:
        self._with_keys = with_keys
        self._waiting_keys: deque[Sequence[tuple[str, int, Any, float]]] = deque(maxlen=MOST_WAITING)
        self._key_times: deque[KeyTimes] = deque(maxlen=WINDOW + 1)
        self._waiting: deque[Sequence[Ended]] = deque(maxlen=MOST_WAITING)
        self._seconds: deque[tuple[float, dict[Place, Durations]]] = deque(maxlen=WINDOW + 1)

    def add(self, handled: Sequence[Handled]) -> None:
        """Take in attempts that have ended."""
        if self._with_keys:
            together = Counter(started for _, _, _, started, _, _ in handled)  # the records of a batch share its time
            self._waiting_keys.append([
                (record.topic, record.partition, record.key, (ended - started) / together[started])
                for record, _, _, started, ended, _ in handled
            ])  # fmt: skip
        self._waiting.append([
            (record.topic, record.partition, ended - started, error is not None)
            for record, _, _, started, ended, error in handled
        ])  # fmt: skip

    def read(self, now: float) -> tuple[dict[str, Pace], dict[Place, Pace]]:
        """The pace of each topic and of each partition in the last seconds, up to *now*."""
        if self._seconds and now - self._seconds[-1][0] > LONGEST_GAP:
            self._seconds.clear()
            self._key_times.clear()
        self._seconds.append((now, self._take_waiting()))
        self._key_times.append(self._take_keys())
        since = self._seconds[0][0]
        by_place: dict[Place, Durations] = {}
        by_topic: dict[str, Durations] = {}
        for _, second in list(self._seconds)[1:]:  # the time of the first begins before it
            for place, durations in second.items():
                _add(by_place.setdefault(place, Durations()), durations)
                _add(by_topic.setdefault(place[0], Durations()), durations)
        seconds = now - since
        return (
            {topic: _pace(found, seconds) for topic, found in by_topic.items()},
            {place: _pace(found, seconds) for place, found in by_place.items()},
        )

    def slowest_keys(self) -> list[SlowKey]:
        """The keys whose records took the most time in the seconds that were read last, the slowest first."""
        seconds = list(self._key_times)[1:]
        total = sum(second.total for second in seconds)
        weights: dict[Any, Weight] = merge(second.keys for second in seconds)
        worst = sorted(weights.items(), key=lambda item: (-item[1].least, item[0]))[:MOST_KEYS]
        return [
            SlowKey(topic, partition, key, weight.least * 1000, weight.least / total)
            for (topic, partition, key), weight in worst
            if weight.least
        ]

    def _take_keys(self) -> KeyTimes:
        total, keys = 0.0, HeavyHitters()
        for _ in range(len(self._waiting_keys)):  # others append meanwhile
            for topic, partition, key, seconds in self._waiting_keys.popleft():
                total += max(seconds, 0.0)
                name = name_of(key, whole=True)
                if name is not None and seconds > 0:
                    keys.weigh((topic, partition, name), seconds)
        return KeyTimes(total, keys)

    def _take_waiting(self) -> dict[Place, Durations]:
        found: dict[Place, Durations] = {}
        for _ in range(len(self._waiting)):  # others append meanwhile
            for topic, partition, duration, has_failed in self._waiting.popleft():
                durations = found.setdefault((topic, partition), Durations())
                durations.buckets[_bucket(duration)] += 1
                durations.failed += has_failed
        return found


def _add(total: Durations, more: Durations) -> None:
    total.buckets.update(more.buckets)
    total.failed += more.failed


def _pace(durations: Durations, seconds: float) -> Pace:
    count = durations.buckets.total()
    if not count or seconds <= 0:
        return Pace()
    return Pace(
        count / seconds,
        durations.failed / seconds,
        _quantile(durations.buckets, 0.5 * count),
        _quantile(durations.buckets, 0.99 * count),
    )


def _bucket(seconds: float) -> int:
    return math.floor(math.log2(max(seconds, 1e-6) * 1000) * PER_OCTAVE)


def _quantile(buckets: Counter[int], rank: float) -> float:
    """The middle of the bucket in which the record of that rank is, in milliseconds."""
    left = math.ceil(rank)
    for bucket, count in sorted(buckets.items()):
        left -= count
        if left <= 0:
            return float(2 ** ((bucket + 0.5) / PER_OCTAVE))
    raise ValueError(f"there is no record of rank {rank}")
