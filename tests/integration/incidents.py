"""Scripted incidents of real consumers on a fake cluster, and the series that a Prometheus would have recorded.

All incidents go on at once, each with a consumer of its own: first all is well, then something is wrong, then it is
well again. Time is stretched: a quarter of a second here is a scrape interval of 15 s there, and what is measured in
seconds is multiplied likewise, so an alert that needs ten minutes needs ten seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from kafka.errors import CoordinatorNotAvailableError
from prometheus_client import CollectorRegistry

from kafka_parallel import ParallelConsumer, hookimpl
from kafka_parallel.testing import FakeCluster, FakeConsumer, FakeProducer
from kafka_parallel_plugins.circuit_breaker import CircuitBreaker
from kafka_parallel_plugins.dlq import DeadLetterQueue
from kafka_parallel_plugins.prometheus import Prometheus

TICK = 0.25
SCRAPE_INTERVAL = 15
STRETCH = SCRAPE_INTERVAL / TICK
# How many ticks each phase takes.
WELL, WRONG, WELL_AGAIN = 12, 84, 48
TICKS = WELL + WRONG + WELL_AGAIN
STOP_MS = 5000


class Incident:
    """A consumer of two partitions, with as many records a tick as it is told."""

    records_per_tick = 2
    options: ClassVar[Mapping[str, Any]] = {}

    def __init__(self) -> None:
        self.topic = type(self).__name__.lower()
        self.cluster = FakeCluster()
        self.cluster.create_topic(self.topic, partitions=2)
        self.is_wrong = False
        self.released = threading.Event()
        self.registry = CollectorRegistry()
        self.series: dict[tuple[str, tuple[tuple[str, str], ...]], list[float | None]] = {}
        self.parallel = self.make_consumer()

    def make_consumer(self) -> ParallelConsumer:
        consumer = FakeConsumer(
            self.topic, cluster=self.cluster, group_id="billing", client_id="billing-1",
            auto_offset_reset="earliest", auto_commit_interval_ms=100,
        )  # fmt: skip
        plugins = [*self.plugins(), Prometheus(registry=self.registry)]
        return ParallelConsumer(consumer, plugins=plugins, stop_timeout_ms=STOP_MS, **self.options)

    def plugins(self) -> list[Any]:
        return []

    def handle(self, record: Any) -> None:
        """Handle a record."""

    def begin(self) -> None:
        """Begin what is wrong."""
        self.is_wrong = True

    def end(self) -> None:
        """Mend it."""
        self.is_wrong = False
        self.released.set()

    def tick(self) -> None:
        """Let records arrive."""
        for partition in (0, 1):
            for number in range(self.records_per_tick):
                self.cluster.append(self.topic, b"x", b"key-%d" % number, partition=partition)

    def record(self, tick: int) -> None:
        """Scrape, as the *tick*-th sample of each series."""
        said = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if not sample.name.endswith("_bucket")
        }
        for key, value in said.items():
            values = self.series.setdefault(key, [None] * tick)
            values.append(value * STRETCH if "seconds" in key[0] else value)
        for key in self.series.keys() - said.keys():
            self.series[key].append(None)


class StuckKey(Incident):
    """One record's handler never returns, and all others of its partition go on above it."""

    options: ClassVar = {"ordering": "key"}

    def begin(self) -> None:
        self.cluster.append(self.topic, b"stuck", b"alice", partition=0)

    def handle(self, record: Any) -> None:
        if record.value == b"stuck":
            self.released.wait(60)


class LagGrows(Incident):
    """Many more records arrive than are processed.

    None is too many to be buffered: an end of the log that is asked for every 30 s would be half an hour old here.
    """

    options: ClassVar = {"workers": 2, "max_buffered_records": 1_000_000, "max_uncommitted": 1_000_000}

    @property
    def records_per_tick(self) -> int:  # type: ignore[override]
        return 100 if self.is_wrong else 2

    def handle(self, record: Any) -> None:
        if self.is_wrong:
            self.released.wait(0.05)


class CommitsRefused(Incident):
    """The coordinator answers every commit with an error."""

    def begin(self) -> None:
        for _ in range(2000):
            for call in ("commit", "commit_async"):
                self.cluster.fail(call, CoordinatorNotAvailableError())

    def end(self) -> None:
        self.cluster._failures.clear()


class BreakerOpen(Incident):
    """The service that the handler needs is down."""

    def plugins(self) -> list[Any]:
        return [CircuitBreaker(open_on=(ConnectionError,), probe_after_ms=1500)]

    def handle(self, record: Any) -> None:
        if self.is_wrong:
            raise ConnectionError


class HandlerStuck(Incident):
    """A handler hangs, in a consumer without an order."""

    options: ClassVar = {"ordering": "unordered"}

    def handle(self, record: Any) -> None:
        if self.is_wrong and record.partition == 1:
            self.released.wait(60)


class DeadLetters(Incident):
    """Records fail for good."""

    records_per_tick = 4

    def plugins(self) -> list[Any]:
        self.cluster.create_topic(f"{self.topic}-dlq")
        return [DeadLetterQueue(make_producer=lambda **config: FakeProducer(cluster=self.cluster, **config))]

    def handle(self, record: Any) -> None:
        if self.is_wrong:
            raise ValueError("no amount")


class LoopStalled(Incident):
    """A plugin keeps the loop from polling."""

    def plugins(self) -> list[Any]:
        return [self]

    @hookimpl(wrapper=True)
    def on_commit(self) -> Any:
        if self.is_wrong:
            self.released.wait(60)
        return (yield)


class PluginFailed(Incident):
    """A plugin raises, and hears no more of it; a new consumer takes over when that is seen."""

    def plugins(self) -> list[Any]:
        return [self]

    @hookimpl
    def on_handled(self) -> None:
        if self.is_wrong:
            raise RuntimeError("no numbers today")

    def end(self) -> None:
        super().end()
        self.parallel.stop()
        self.parallel.join()
        self.parallel = self.make_consumer()
        self.parallel.start(self.handle)


class Absent(Incident):
    """The only consumer ends, and another one comes later."""

    def record(self, tick: int) -> None:
        """Scrape, but nothing answers while it is gone."""
        if self.is_wrong:
            for values in self.series.values():
                values.append(None)
        else:
            super().record(tick)


INCIDENTS: tuple[type[Incident], ...] = (
    StuckKey, LagGrows, CommitsRefused, BreakerOpen, HandlerStuck, DeadLetters, LoopStalled, PluginFailed, Absent,
)  # fmt: skip


def recorded() -> dict[str, dict[str, list[float | None]]]:
    """Let all incidents happen; return the series of each, by its name."""
    incidents = [kind() for kind in INCIDENTS]
    try:
        for incident in incidents:
            incident.parallel.start(incident.handle)
        _go_on(incidents)
    finally:
        for incident in incidents:
            incident.is_wrong = False
            incident.released.set()
            incident.cluster._failures.clear()
            incident.parallel.stop()
        for incident in incidents:
            incident.parallel.join()
    return {
        type(incident).__name__: {_series(*key): values for key, values in incident.series.items()}
        for incident in incidents
    }


def _go_on(incidents: list[Incident]) -> None:
    turns: dict[int, Callable[[Incident], None]] = {WELL: Incident.begin, WELL + WRONG: Incident.end}
    pause = threading.Event()
    for tick in range(TICKS):
        for incident in incidents:
            if tick in turns:
                getattr(incident, turns[tick].__name__)()
            incident.tick()
            incident.record(tick)
        pause.wait(TICK)


def _series(name: str, labels: tuple[tuple[str, str], ...]) -> str:
    inside = ", ".join(f'{label}="{value}"' for label, value in labels)
    return f"{name}{{{inside}}}"
