"""Every built-in plugin passes the contract that those of others are tried with."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

from kafka_parallel import Halt, Retry, Skip
from kafka_parallel.testing import FakeProducer, PluginContract
from tests.lot import changed, drawn

# The simulation has plans of its own for most of these; a few seeds show that the contract's are right for them.
SEEDS = 4
MOST_DRAWN = 4
# They need a Redis, a broker that knows transactions, a Django project, the names of topics, and an executor of others:
# see their own tests.
WITHOUT = {"Dedup", "ExactlyOnce", "Django", "TopicWorkers", "Futures"}
# Without processes, which take a second to start; `log-context` and `opentelemetry` have code for them.
QUICK = ("threads", "asyncio", "batches", "batches on asyncio")


class BuiltIn(PluginContract):
    seeds = SEEDS
    executors = QUICK


class TestAdaptiveConcurrency(BuiltIn):
    plugin = "adaptive-concurrency"
    # Windows of its counts end by the clock, so that the same hooks may count otherwise; a lock guards them.
    unguarded = ("_gradient._count", "_gradient._seconds", "_gradient._running", "_gradient._surplus")


class TestAsyncIO(BuiltIn):
    plugin = "asyncio"
    executors = ("asyncio", "batches on asyncio")
    most_cost_ratio = 1_000  # the executor: all that happens on its event loop counts


class TestCircuitBreaker(BuiltIn):
    plugin = ("circuit-breaker", {"probe_after_ms": 1})
    decides = (Retry,)


class TestDeadLetterQueue(BuiltIn):
    topics = {"dead": 1}  # noqa: RUF012
    decides = (Skip, Halt)

    def plugin(self):
        return "dlq", {"topic": "dead", "make_producer": self.producer}

    def producer(self, **config):
        return FakeProducer(cluster=self.cluster, **config)


class TestFastDecoder(BuiltIn):
    plugin = "fast-decoder"


class TestHealth(BuiltIn):
    plugin = ("health", {"port": 0})
    stays_after_stop = True


class TestKeyOrdered(BuiltIn):
    plugin = "key-ordered"


class TestLogContext(BuiltIn):
    plugin = "log-context"
    executors = (*QUICK, "processes")


class TestOffsetMap(BuiltIn):
    plugin = "offset-map"


class TestOpenTelemetry(BuiltIn):
    plugin = "opentelemetry"
    executors = (*QUICK, "processes")


class TestPartitionQueue(BuiltIn):
    plugin = "partition-queue"


class TestProcessPool(BuiltIn):
    plugin = "process-pool"
    executors = ("processes", "batches in processes")


class TestPrometheus(BuiltIn):
    def plugin(self):
        registry = pytest.importorskip("prometheus_client").CollectorRegistry()
        return "prometheus", {"registry": registry}


class TestRateLimit(BuiltIn):
    plugin = ("rate-limit", {"records_per_second": 2000})


class TestRetryWithBackoff(BuiltIn):
    plugin = ("retry", {"delay_ms": 1})
    decides = (Retry,)


class TestRetryTopics(BuiltIn):
    ordering = "unordered"
    changes_records = True
    decides = (Skip,)
    seeds = 0  # they need a subscription and topics named for theirs: the simulation has plans for that

    def plugin(self):
        for topic in self.cluster.topics():
            self.cluster.create_topic(f"{topic}-contract-retry-0")
        return "retry-topics", {"delays_ms": [1], "make_producer": self.producer}

    def producer(self, **config):
        return FakeProducer(cluster=self.cluster, **config)


class TestThreadPool(BuiltIn):
    plugin = "thread-pool"
    executors = ("threads", "batches")
    most_cost_ratio = 1_000  # the executor: all that happens on its workers counts


class TestTimingMetrics(BuiltIn):
    plugin = "timing-metrics"


class TestTop(BuiltIn):
    plugin = "top"


def _name(made):
    return made.__name__.removeprefix("Test")


# The plugins that ship, by the name of their class, each with the module that it is in.
SHIPPED = {
    point.attr: point.module.split(".")[1]
    for point in entry_points(group="kafka_parallel")
    if point.module.startswith("kafka_parallel_plugins.")
}


def _drawn():
    """The plugins of this run: those whose code was changed lately, and some by lot; each takes seconds."""
    every = BuiltIn.__subclasses__()
    touched = {
        name for path in changed() if "kafka_parallel_plugins" in path.parts for name in (path.stem, *path.parts)
    }
    return {*drawn(every, MOST_DRAWN), *(made for made in every if SHIPPED[_name(made)] in touched)}


for _made in set(BuiltIn.__subclasses__()) - _drawn():
    _made.__test__ = False


def test_every_plugin_that_ships_has_a_contract():
    assert set(SHIPPED) - WITHOUT == {_name(made) for made in BuiltIn.__subclasses__()}
