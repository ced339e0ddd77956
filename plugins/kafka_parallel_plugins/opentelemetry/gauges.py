"""The state of all consumers of a process as observable gauges, asked for when metrics are collected.

Their names, units and meanings are those of the table `kafka_parallel.metric_names`, which other exporters read too.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakSet

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from kafka_parallel.metric_names import METRICS
from kafka_parallel_plugins.opentelemetry import conventions as names

if TYPE_CHECKING:
    from kafka_parallel.facts import Facts, PartitionProgress
    from kafka_parallel_plugins.opentelemetry.once import LoggedOnce

    Number: TypeAlias = int | float


class Observed:
    """One running consumer.

    :param facts: what is known about its run.
    :param client: the attributes that tell it from another.
    :param partitions: whether there are numbers for each partition, rather than for each topic.
    :param once: logs an error.
    :param wall_clock: returns seconds since the Unix epoch, compared with the timestamps of records.
    """

    def __init__(
        self,
        facts: Facts,
        client: Mapping[str, str],
        once: LoggedOnce,
        *,
        partitions: bool,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.facts = facts
        self.once = once
        self._client = dict(client)
        self._partitions = partitions
        self._wall_clock = wall_clock

    def alone(self, value: Number, **attributes: str) -> Observation:
        """A number of the consumer as a whole."""
        return Observation(value, self._client | attributes)

    def paused(self) -> Iterator[Observation]:
        """How many partitions are paused, by reason."""
        counts = Counter(reason for progress in self.facts.progress().values() for reason in progress.paused_by)
        for reason, count in counts.items():
            yield Observation(count, {**self._client, names.PAUSE_REASON: reason.replace(" ", "_")})

    def by_partition(
        self, read: Callable[[PartitionProgress], Number | None], together: Callable[[Iterable[Number]], Number]
    ) -> Iterator[Observation]:
        """A number of each partition, or of all of a topic *together*; left out where it is not known."""
        numbers: dict[tuple[str, str | None], list[Number | None]] = {}
        for place, progress in self.facts.progress().items():
            key = place.topic, str(place.partition) if self._partitions else None
            numbers.setdefault(key, []).append(read(progress))
        for (topic, partition), found in numbers.items():
            known = [number for number in found if number is not None]
            if len(known) == len(found):  # the lag of some partitions of a topic would pass for that of all
                where = {names.DESTINATION: topic} | ({} if partition is None else {names.PARTITION: partition})
                yield Observation(together(known), self._client | where)

    def age(self, progress: PartitionProgress) -> float | None:
        """The age of the record that holds the commit point, in seconds; 0 without one, ``None`` if it is not known."""
        if progress.head_offset is None:
            return 0.0
        timestamp_ms = progress.head_timestamp_ms
        return None if timestamp_ms is None else max(0.0, self._wall_clock() - timestamp_ms / 1000)


# How each gauge of the table is read.
READINGS: Mapping[str, Callable[[Observed], Iterable[Observation]]] = {
    "kafka_parallel.lag": lambda observed: observed.by_partition(lambda progress: progress.lag, sum),
    "kafka_parallel.unfinished": lambda observed: observed.by_partition(lambda progress: progress.unfinished, sum),
    "kafka_parallel.oldest_unfinished.age": lambda observed: observed.by_partition(observed.age, max),
    "kafka_parallel.in_flight": lambda observed: [observed.alone(observed.facts.statistics().in_flight)],
    "kafka_parallel.buffered.bytes": lambda observed: [observed.alone(observed.facts.statistics().buffered_bytes)],
    "kafka_parallel.paused_partitions": Observed.paused,
}


class Gauges:
    """The gauges of one meter.

    :ivar consumers: the running consumers; one that is held by nothing else is gone.
    """

    def __init__(self, meter: Meter) -> None:
        self.consumers: WeakSet[Observed] = WeakSet()
        for metric in METRICS:
            if (name := metric.opentelemetry) is not None:
                callback = self._callback(READINGS[name])
                meter.create_observable_gauge(name, [callback], metric.unit, metric.meaning)

    def _callback(
        self, reading: Callable[[Observed], Iterable[Observation]]
    ) -> Callable[[CallbackOptions], list[Observation]]:
        def observe(_: CallbackOptions) -> list[Observation]:
            found: list[Observation] = []
            for observed in [*self.consumers]:
                try:
                    found += reading(observed)
                except Exception:  # noqa: BLE001 - the numbers of the other consumers are told all the same
                    observed.once.log("observe a consumer")
            return found

        return observe
