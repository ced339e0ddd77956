"""One kill, and the records that were handled again because of it, by the handlers' own history."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.crashes.lives import Consumer, Life, Place, produce
from benchmarks.crashes.scenarios import RECORDS, Scenario
from benchmarks.workloads import PARTITIONS
from kafka_parallel.testing.broker import Broker
from kafka_parallel.testing.history import Entry, Kind, Produced, judge, read


@dataclass(frozen=True)
class Kill:
    """The figures of one kill.

    :ivar finished: records that were finished before it.
    :ivar in_flight: records that had begun and were not finished.
    :ivar recent: records that were finished within the last commit interval before it.
    :ivar repeated: finished records that were handled again.
    :ivar oldest_ms: how long before the kill the first of these was finished.
    :ivar lost: records that were never finished.
    :ivar reordered: records that began before an earlier one of their key had ended.
    """

    finished: int
    in_flight: int
    recent: int
    repeated: int
    oldest_ms: float
    lost: int
    reordered: int


def kill(consumer: Consumer, scenario: Scenario, broker: Broker, folder: Path) -> Kill:
    """Kill *consumer* in the middle of *scenario*, and let another one finish.

    The moment varies by more than a second: the time since the last commit decides how much is repeated.
    """
    name = f"crash-{time.time_ns()}"
    broker.create_topic(name, PARTITIONS)
    produced = produce(broker.bootstrap_servers, name, scenario.records())
    place = Place(broker.bootstrap_servers, produced, name, folder / name)
    consumer = replace(consumer, ordering="key", workers=scenario.workers)
    with Life(consumer, place) as first:
        first.wait_for(round(random.uniform(0.67, 1.33) * RECORDS))  # two entries for each record
        first.kill()
    with Life(consumer, place, scale=0) as second:
        second.wait_until_committed()
    return kill_of(list(read(place.history)), produced, first.run, consumer.commit_interval_ms)


def kill_of(entries: Sequence[Entry], produced: Produced, run: int, interval_ms: float) -> Kill:
    """The figures of the kill of *run*, whose last entry is taken for its time."""
    before = [entry for entry in entries if entry.run == run]
    ended = {(entry.partition, entry.offset): entry.at for entry in before if entry.kind == Kind.END}
    begun = {(entry.partition, entry.offset) for entry in before}
    again = {(entry.partition, entry.offset) for entry in entries if entry.run != run}
    ages = {place: (before[-1].at - at) / 1e6 for place, at in ended.items()}
    repeated = ended.keys() & again
    verdict = judge(entries, produced)
    return Kill(
        finished=len(ended),
        in_flight=len(begun - ended.keys()),
        recent=sum(age <= interval_ms for age in ages.values()),
        repeated=len(repeated),
        oldest_ms=max((ages[place] for place in repeated), default=0.0),
        lost=len(verdict.lost),
        reordered=len(verdict.reordered) + len(verdict.overlapping),
    )
