"""The last minute: its rates and durations, and the partitions and keys that took the most of the handlers' time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from kafka_parallel_plugins.heavy_hitters import NOTHING, Weight, merge
from kafka_parallel_plugins.key_names import hash_of_name, name_of
from kafka_parallel_plugins.timing_metrics.recorders import PERIOD, PERIODS, Period
from kafka_parallel_plugins.timing_metrics.snapshot import LastMinute, TimeTaker, topic_timings

if TYPE_CHECKING:
    from kafka_parallel.facts import RunningRecord

__all__ = ()

# How many partitions and how many keys are told.
TOLD = 10


class KeyOrPartition(NamedTuple):
    """A partition, or a key of it."""

    topic: str
    partition: int
    key: bytes | str | None = None


def last_minute(
    by_topic: Mapping[str, Sequence[Period]],
    running: Iterable[RunningRecord],
    *,
    since: float,
    now: float,
    with_keys: bool,
) -> LastMinute:
    """Add up the periods of the last minute.

    :param running: the records that handlers are at now.
    :param since: when the consumer started, in seconds of its clock.
    :param now: the end of the minute.
    """
    first = now // PERIOD - PERIODS
    recent = {topic: [period for period in periods if period.number >= first] for topic, periods in by_topic.items()}
    seconds = max(now - max(since, first * PERIOD), 0.0)
    topics = {topic: topic_timings(periods, seconds) for topic, periods in recent.items() if periods}
    partitions, keys = _seconds_taken(recent)
    for record in running:
        _charge_running(record, seconds, partitions, keys, with_keys=with_keys)
    return LastMinute(
        seconds,
        MappingProxyType(topics),
        _slowest({place: Weight(taken, taken) for place, taken in partitions.items()}, partitions.values()),
        _slowest(keys, partitions.values()),
    )


def _seconds_taken(
    recent: Mapping[str, Sequence[Period]],
) -> tuple[dict[KeyOrPartition, float], dict[KeyOrPartition, Weight]]:
    partitions: dict[KeyOrPartition, float] = defaultdict(float)
    keys: dict[KeyOrPartition, Weight] = {}
    for topic, periods in recent.items():
        for period in periods:
            for partition, seconds in period.takers.partitions.copy().items():
                partitions[KeyOrPartition(topic, partition)] += seconds
        watched: Mapping[Any, Weight] = merge(period.takers.keys for period in periods)
        keys.update((KeyOrPartition(topic, *item), weight) for item, weight in watched.items())
    return partitions, keys


def _charge_running(
    record: RunningRecord,
    seconds: float,
    partitions: dict[KeyOrPartition, float],
    keys: dict[KeyOrPartition, Weight],
    *,
    with_keys: bool,
) -> None:
    so_far = min(record.running_ms / 1000, seconds)
    partitions[KeyOrPartition(record.topic, record.partition)] += so_far
    key = name_of(record.key, whole=with_keys)
    if key is not None:
        place = KeyOrPartition(record.topic, record.partition, key)
        known = keys.get(place, NOTHING)
        keys[place] = Weight(known.least + so_far, known.most + so_far)


def _slowest(weights: Mapping[KeyOrPartition, Weight], all_seconds: Iterable[float]) -> Sequence[TimeTaker]:
    total = sum(all_seconds)
    worst_first = sorted(weights.items(), key=lambda item: (-item[1].least, -item[1].most, item[0][:2]))
    return tuple(_taker(place, weight, total) for place, weight in worst_first[:TOLD] if weight.least > 0)


def _taker(place: KeyOrPartition, weight: Weight, total: float) -> TimeTaker:
    key, key_hash = (place.key, hash_of_name(place.key)) if isinstance(place.key, bytes) else (None, place.key)
    return TimeTaker(
        place.topic,
        place.partition,
        weight.least * 1000,
        weight.least / total,
        (weight.most - weight.least) * 1000,
        key,
        key_hash,
    )
