"""Answers a scrape for all consumers of the process that have the plugin.

There is one collector for each registry, however many consumers there are: a second one with the same names would be
refused by the registry. It only pulls: between two scrapes nothing is done.
"""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

import kafka

from kafka_parallel.plugin_support import get_logger
from kafka_parallel_plugins.prometheus import samples
from kafka_parallel_plugins.prometheus.attempt_counts import AttemptCounts

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

    from kafka_parallel import Settings, Statistics
    from kafka_parallel_plugins.prometheus.attempt_counts import ThreadCounts
    from kafka_parallel_plugins.prometheus.event_counts import EventCounts

log = get_logger("kafka_parallel_plugins.prometheus")


class ObservedConsumer:
    """One consumer, as a scrape sees it. Any thread may call every method.

    :param settings: the settings of its run.
    :param has_partitions: whether each partition gets series of its own.
    :param wall_clock: returns seconds since the Unix epoch.
    :ivar client_id: the label of that name; of two consumers with one id, the second has a number behind it.
    :ivar has_ended: whether the run is over; then only its counters are left.
    """

    def __init__(
        self,
        settings: Settings,
        attempts: ThreadCounts,
        events: EventCounts,
        *,
        has_partitions: bool,
        wall_clock: Callable[[], float],
    ) -> None:
        self.group = "" if settings.group_id is None else samples.text(settings.group_id)
        self.client_id = samples.text(settings.consumer_config.get("client_id", ""))
        self.has_ended = False
        self._facts = settings.facts
        self._info = {**_versions(), "executor": settings.executor, "ordering": settings.ordering}
        self._topics = (*settings.topics, *settings.sources)
        self._attempts = attempts
        self._events = events
        self._has_partitions = has_partitions
        self._wall_clock = wall_clock
        self._pid = os.getpid()

    @property
    def is_here(self) -> bool:
        """True in the process that runs it: a forked child has a copy that stands still."""
        return os.getpid() == self._pid

    def put_into(self, families: samples.Families) -> None:
        """Put all samples into *families*."""
        common = {"group": self.group, "client_id": self.client_id}
        bounds, by_topic = self._attempts.bounds, self._attempts.by_topic()
        by_topic = {**{topic: [AttemptCounts(bounds)] for topic in self._topics}, **by_topic}
        samples.put_attempts(families, common, bounds, by_topic)
        samples.put_verdicts(families, common, by_topic, self._events)
        samples.put_commits(families, common, bounds, self._events)
        statistics = self._facts.statistics()
        samples.put_totals(families, common, statistics)
        if not self.has_ended:
            self._put_gauges(families, common, statistics)

    def _put_gauges(self, families: samples.Families, common: dict[str, str], statistics: Statistics) -> None:
        families.put("info", {**common, **self._info}, 1)
        samples.put_state(families, common, statistics)
        progress = self._facts.progress()
        families.put("partitions_assigned", common, len(progress))
        samples.put_pauses(families, common, [found.paused_by for found in progress.values()], statistics.throttled)
        put = samples.put_partitions if self._has_partitions else samples.put_topics
        places = [(place.topic, place.partition, found) for place, found in progress.items()]
        put(families, common, places, self._wall_clock() * 1000)


def _versions() -> dict[str, str]:
    return {"version": importlib.metadata.version("kafka-parallel"), "kafka_python": kafka.__version__}


# see docs/decisions/0072-metrics-are-pulled.md
class MetricsCollector:
    """The collector of one registry. Any thread may call every method."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._consumers: WeakSet[ObservedConsumer] = WeakSet()
        self._has_failed = False

    def observe(self, consumer: ObservedConsumer) -> None:
        """Show *consumer* from now on, as long as it exists; one that has ended makes room for its successor."""
        with self._lock:
            same = [found for found in self._consumers if found.group == consumer.group]
            ids = {found.client_id for found in same if not found.has_ended}
            wanted = consumer.client_id
            consumer.client_id = next(name for name in _candidates(wanted) if name not in ids)
            for found in same:
                if found.client_id == consumer.client_id:
                    self._consumers.discard(found)
            self._consumers.add(consumer)
        if consumer.client_id != wanted:
            log.warning("another consumer of this process has client_id=%r in group %r: the metrics of this one have "
                        "client_id=%r; give each KafkaConsumer an id of its own",
                        wanted, consumer.group, consumer.client_id)  # fmt: skip

    def forget(self, consumer: ObservedConsumer) -> None:
        """Show *consumer* no more."""
        with self._lock:
            self._consumers.discard(consumer)

    def describe(self) -> Iterable[Metric]:
        """Name the metrics without collecting them."""
        return iter(samples.Families())

    def collect(self) -> Iterator[Metric]:
        """Answer one scrape; if a part of it fails, with the rest."""
        families = samples.Families()
        with self._lock:
            consumers = [*self._consumers]
        for consumer in consumers:
            try:
                if consumer.is_here:
                    consumer.put_into(families)
            except Exception:  # noqa: BLE001 - a scrape disturbs nothing, and the other consumers have numbers too
                self._report_once(consumer)
        return iter(families)

    def _report_once(self, consumer: ObservedConsumer) -> None:
        if not self._has_failed:
            self._has_failed = True
            log.exception("a scrape lacks metrics of client_id=%r in group %r; that is logged once",
                          consumer.client_id, consumer.group)  # fmt: skip


def _candidates(client_id: str) -> Iterator[str]:
    yield client_id
    yield from (f"{client_id}-{number}" for number in count(2))


_collectors: WeakKeyDictionary[CollectorRegistry, MetricsCollector] = WeakKeyDictionary()
_registering = Lock()


def collector_of(registry: CollectorRegistry) -> MetricsCollector:
    """Return the collector that *registry* has, registering one first if need be.

    :raises ValueError: another collector there has one of the names.
    """
    with _registering:
        found = _collectors.get(registry)
        if found is None:
            found = MetricsCollector()
            registry.register(found)
            _collectors[registry] = found
        return found
