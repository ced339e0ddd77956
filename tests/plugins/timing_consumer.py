"""Calls timing-metrics as a consumer would, by a clock that is moved by hand."""

from __future__ import annotations

import pluggy
from kafka.consumer.fetcher import ConsumerRecord

from kafka_parallel import BackpressureEvent, RecordContext, Settings, hookimpl, hookspecs
from kafka_parallel.facts import NoFacts
from kafka_parallel_plugins.timing_metrics import TimingMetrics

WALL = 1_000_000


class Clock:
    def __init__(self, now=100.0):
        self.now = now

    def __call__(self):
        return self.now


class Running(NoFacts):
    """The facts of a run of which only the running records are known."""

    def __init__(self):
        self.records = []

    def running(self):
        return self.records


def raw(topic="orders", *, partition=0, key=b"k", timestamp_ms=None):
    return ConsumerRecord(topic, partition, -1, 5, timestamp_ms, 0, key, b"v", [], None, 1, 1, -1)


class Consumer:
    """Calls a plugin as a consumer would; handlers, commits and decisions are functions that may move the clock."""

    def __init__(self, clock=None, metrics=None, **settings):
        self.clock = clock or Clock()
        self.metrics = metrics or TimingMetrics(wall_clock=lambda: WALL + self.clock.now, **settings)
        self.manager = pluggy.PluginManager("kafka_parallel")
        self.manager.add_hookspecs(hookspecs)
        self.inner = Inner()
        self.manager.register(self.inner)
        self.manager.register(self.metrics)
        self.manager.check_pending()
        self.facts = Running()
        self.settings = Settings(4, "g", frozenset({"orders"}), None, clock=self.clock, facts=self.facts)
        self.manager.hook.on_start(settings=self.settings)

    def handle(
        self,
        takes=0.0,
        *,
        topic="orders",
        partition=0,
        key=b"k",
        waited=0.0,
        attempt=1,
        timestamp_ms=None,
        error=None,
        answer=None,
    ):
        record = raw(topic, partition=partition, key=key, timestamp_ms=timestamp_ms)
        queued_at, started = self.clock.now - waited, self.clock.now
        self.clock.now += takes
        self.tell((record, attempt, queued_at, started, self.clock.now, error))
        if isinstance(error, Exception):
            self.inner.answer = answer
            context = RecordContext(record, attempt, 1, queued_at, None)
            return self.manager.hook.on_error(record=record, error=error, context=context)
        return None

    def tell(self, *handled):
        self.manager.hook.on_handled(handled=handled, settings=self.settings)

    def commit(self, takes=0.0, error=None):
        self.inner.act = lambda: self.spend(takes, error)
        return self.manager.hook.on_commit(offsets={}, context=None, finished_above={})

    def pressure(self, paused=(), resumed=()):
        event = BackpressureEvent(dict.fromkeys(paused, "records"), frozenset(resumed), 0, 0)
        self.manager.hook.on_backpressure(event=event, settings=self.settings)

    def stop(self):
        self.manager.hook.on_stop(settings=self.settings, error=None)

    def spend(self, seconds, error=None):
        self.clock.now += seconds
        if error is not None:
            raise error
        return "done"

    @property
    def orders(self):
        return self.metrics.snapshot().topics["orders"]

    @property
    def last_minute(self):
        return self.metrics.snapshot().last_minute


class Inner:
    """The innermost implementation of each hook."""

    @hookimpl
    def on_commit(self):
        return self.act()

    @hookimpl
    def on_error(self):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer
