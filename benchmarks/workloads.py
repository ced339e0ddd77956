"""Which work is measured, and what the best possible time for it is."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

PARTITIONS = 4
VALUE_BYTES = 100
KEYS = 1000
SKEW = 1.1
# Where records fail, one in so many does.
ONE_FAILS_IN = 200


@dataclass(frozen=True)
class Workload:
    """Records with keys, and how long the handler takes for each.

    :ivar name: what the table calls it.
    :ivar records: how many.
    :ivar seconds: handler time of a record, from its number; ``None`` for a handler that does nothing.
    :ivar key: key of a record, from its number.
    :ivar workers: how many handlers may run at once.
    :ivar may_fail: whether one record in `ONE_FAILS_IN` fails three times before it succeeds.
    """

    name: str
    records: int
    seconds: Callable[[int], float] | None
    key: Callable[[int], int]
    workers: int = 64
    topic: str = field(default="")
    may_fail: bool = False

    @cached_property
    def times(self) -> list[float]:
        """Handler time of every record."""
        return [self.seconds(number) if self.seconds else 0.0 for number in range(self.records)]

    def ideal(self, ordering: str) -> float:
        """The larger of all work shared out evenly and the longest chain of one key, in seconds."""
        even = sum(self.times) / self.workers
        if ordering != "key":
            return even
        chains: Counter[int] = Counter()
        for number, seconds in enumerate(self.times):
            chains[self.key(number)] += seconds  # type: ignore[assignment]
        return max(even, *chains.values())

    def greedy(self) -> float:
        """What taking the records in order, each by the next free worker, costs without any overhead, in seconds.

        Nobody who does not know the handler times beforehand can do better on average (Graham 1969).
        """
        return list_schedule(self.times, self.workers)


def list_schedule(times: Iterable[float], workers: int) -> float:
    """When the last of *times* ends if each is begun by the next free one of *workers*."""
    free = [0.0] * workers
    for seconds in times:
        heapq.heappush(free, heapq.heappop(free) + seconds)
    return max(free)


def zipf_keys(count: int) -> Sequence[int]:
    """Keys drawn with Zipf weights, the same in every run."""
    weights = [1 / (rank + 1) ** SKEW for rank in range(KEYS)]
    return random.Random(7).choices(range(KEYS), weights, k=count)


def _uniform(number: int) -> int:
    return number % KEYS


def _one_in_a_hundred_is_slow(number: int) -> float:
    return 0.5 if number % 100 == 37 else 0.002


def all_workloads() -> dict[str, Workload]:
    """Every workload by name."""
    keys = zipf_keys(8000)
    return {
        found.name: found
        for found in (
            Workload("no-op", 60_000, None, _uniform),
            Workload("5 ms", 8_000, lambda _: 0.005, _uniform),
            Workload("5 ms, Zipf keys", 8_000, lambda _: 0.005, lambda number: keys[number]),
            Workload("1 % 500 ms, else 2 ms", 20_000, _one_in_a_hundred_is_slow, _uniform),
            Workload("5 ms, 50 fail 3 times", 10_000, lambda _: 0.005, _uniform, workers=16, may_fail=True),
        )
    }
