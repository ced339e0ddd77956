"""The work that is measured, and the best possible time for it."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

PARTITIONS = 4
KEYS = 1000
SKEW = 1.1
# If records fail, one in so many does.
ONE_FAILS_IN = 200

Kind = Literal["nothing", "sleep", "failing", "cpu", "memory"]


@dataclass(frozen=True)
class Workload:
    """Records with keys, and the work of the handler with each.

    :ivar name: its name in the tables.
    :ivar kind: the work of the handler: nothing, sleep, sleep and sometimes fail, compute, sleep while memory is
        watched.
    :ivar records: how many are handled; the measurement ends with the last of them.
    :ivar seconds: handler time of a record, from its number.
    :ivar key: key of a record, from its number.
    :ivar workers: how many handlers may run at once.
    :ivar value_bytes: size of a value.
    :ivar waiting: how many more records the topic holds, which are not waited for.
    """

    name: str
    kind: Kind
    records: int
    seconds: Callable[[int], float]
    key: Callable[[int], int]
    workers: int = 64
    value_bytes: int = 100
    waiting: int = 0

    @cached_property
    def times(self) -> list[float]:
        """Handler time of every record."""
        return [self.seconds(number) for number in range(self.records)]

    @property
    def produced(self) -> int:
        """How many records the topic holds."""
        return self.records + self.waiting

    def value(self, number: int) -> bytes:
        """The value of a record: its number and its handler time in microseconds, so that no handler needs a table."""
        return (b"%08d %08d " % (number, round(self.seconds(number) * 1e6))).ljust(self.value_bytes, b".")

    def ideal(self, order: str) -> float:
        """The larger of all work shared out evenly and the longest chain of one key, in seconds."""
        even = sum(self.times) / self.workers
        if order != "key":
            return even
        chains: Counter[int] = Counter()
        for number, seconds in enumerate(self.times):
            chains[self.key(number)] += seconds  # type: ignore[assignment]
        return max(even, *chains.values())

    def greedy(self) -> float:
        """The cost of taking the records in order, each by the next free worker, without any overhead, in seconds.

        Without knowing the handler times beforehand, no schedule can do better on average (Graham 1969).
        """
        return list_schedule(self.times, self.workers)

    def scaled(self, share: float) -> Workload:
        """The same with fewer records, to see whether everything works."""
        return replace(self, records=max(self.workers, int(self.records * share)), waiting=int(self.waiting * share))


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


def _always(seconds: float) -> Callable[[int], float]:
    return lambda _: seconds


def _one_in_a_hundred_is_slow(number: int) -> float:
    """Not always the same keys, or the key with most slow records would be all there is to measure."""
    return 0.5 if (number + number // KEYS) % 100 == 37 else 0.002


def all_workloads() -> dict[str, Workload]:
    """Every workload by name."""
    keys = zipf_keys(8000)
    found = (
        Workload("no-op", "nothing", 100_000, _always(0), _uniform, waiting=60_000),
        Workload("no-op, in batches", "nothing", 100_000, _always(0), _uniform, workers=16, waiting=60_000),
        Workload("5 ms", "sleep", 8_000, _always(0.005), _uniform),
        Workload("5 ms, Zipf keys", "sleep", 8_000, _always(0.005), keys.__getitem__),
        Workload("100 ms, 1,000 at once", "sleep", 20_000, _always(0.1), _uniform, workers=1000),
        Workload("1 % 500 ms, else 2 ms", "sleep", 40_000, _one_in_a_hundred_is_slow, _uniform),
        Workload("5 ms, 50 fail 3 times", "failing", 10_000, _always(0.005), _uniform, workers=16),
        Workload("1 ms of Python", "cpu", 8_000, _always(0.001), _uniform, workers=2),
        Workload("at rest", "memory", 64, _always(0), _uniform, value_bytes=2000),
        Workload("20 ms, 100,000 wait", "memory", 8_000, _always(0.02), _uniform, value_bytes=2000, waiting=100_000),
    )
    return {workload.name: workload for workload in found}
