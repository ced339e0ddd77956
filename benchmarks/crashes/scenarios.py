"""The work during which a consumer is killed, and the consumers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.crashes.lives import Consumer
from benchmarks.workloads import KEYS, PARTITIONS

RECORDS = 30_000


@dataclass(frozen=True)
class Scenario:
    """Records of so many seconds each; the consumer is killed when about half of them are finished."""

    name: str
    workers: int
    seconds: Callable[[int], float]

    def records(self) -> Iterator[tuple[int, bytes, float]]:
        """Partition, key and handler time of each record."""
        for number in range(RECORDS):
            yield number % PARTITIONS, b"key-%d" % (number // PARTITIONS % KEYS), self.seconds(number)


SCENARIOS = (
    Scenario("20 s at the head of each partition, else 1 ms", 16, lambda number: 20 if number < PARTITIONS else 0.001),
    Scenario("1 % of 500 ms, else 2 ms", 64, lambda number: 0.5 if number * 37 % 101 == 0 else 0.002),
)
CONSUMERS = (
    Consumer("kafka-parallel", "thread-pool+offset-map"),
    Consumer("kafka-parallel, asyncio", "asyncio+offset-map"),
    Consumer("kafka-parallel without offset-map", "thread-pool"),
    Consumer("Java PC", "PERIODIC_CONSUMER_SYNC", commit_interval_ms=1000),
    Consumer("Java PC, asynchronous commits", "PERIODIC_CONSUMER_ASYNCHRONOUS", commit_interval_ms=1000),
    Consumer("Java PC", "PERIODIC_CONSUMER_SYNC"),
)
