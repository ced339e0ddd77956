"""Metrics for Prometheus: throughput, latencies, errors, real lag per partition, and how the consumer is now.

Nothing is pushed and nothing is computed ahead: workers count attempts into the buckets that are exported, and a scrape
asks for the rest. A scrape that fails disturbs neither a record nor a commit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from kafka_parallel import ConfigurationError, PluginError, Retry, Settings, Skip, StateError, hookimpl
from kafka_parallel.errors import HandlerError
from kafka_parallel.metric_names import BUCKETS
from kafka_parallel.plugin_support import class_name, wrong_setting
from kafka_parallel_plugins.prometheus.attempt_counts import ThreadCounts
from kafka_parallel_plugins.prometheus.event_counts import EventCounts

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from kafka_parallel import CommitContext, Handled, RecordContext
    from kafka_parallel_plugins.prometheus.collector import MetricsCollector, ObservedConsumer
    from kafka_parallel_plugins.prometheus.server import MetricsServer

__all__ = ["Prometheus"]

LOOPBACK = "127.0.0.1"


class Prometheus:
    """Exports the metrics of its consumer to a registry of ``prometheus_client``, and serves them if given a port.

    Threads: the hooks run where the consumer calls them; scrapes run on the server's threads.

    :param port: the port to serve at from the start to the end of the run, 0 = any that is free; ``None`` = the
        application serves the registry itself.
    :param host: the address to serve at. The default is reached from this machine only; Prometheus in Kubernetes needs
        ``"0.0.0.0"``.
    :param registry: a ``prometheus_client.CollectorRegistry``; ``None`` = the library's default one.
    :param buckets: the upper bounds of the buckets of all durations, in seconds, rising.
    :param partitions: whether each partition has series of its own; with ``False`` there are sums over each topic.
    :param wall_clock: returns seconds since the Unix epoch, compared with the timestamps of records.
    :raises ConfigurationError: a setting cannot work.
    :raises PluginError: ``prometheus_client`` is not installed.
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        host: str = LOOPBACK,
        registry: CollectorRegistry | None = None,
        buckets: Sequence[float] = BUCKETS,
        partitions: bool = True,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        if port is not None and (isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65_535):
            raise wrong_setting("prometheus", "port", port, "a number from 0 to 65535, or None")
        if not isinstance(host, str) or not host:
            raise wrong_setting("prometheus", "host", host, "an address or a name of this machine")
        if port is None and host != LOOPBACK:
            raise ConfigurationError(f"host={host!r} of plugin prometheus without port serves nothing: set port")
        if not isinstance(partitions, bool):
            raise wrong_setting("prometheus", "partitions", partitions, "True or False")
        self._registry = _registry(registry)
        self._port, self._host, self._has_partitions, self._wall_clock = port, host, partitions, wall_clock
        bounds = _bounds(buckets)
        self._attempts = ThreadCounts(bounds)
        self._events = EventCounts(bounds)
        self._clock: Callable[[], float] = time.monotonic
        self._settings: Settings | None = None
        self._observed: tuple[MetricsCollector, ObservedConsumer] | None = None
        self._server: MetricsServer | None = None

    @property
    def port(self) -> int | None:
        """The port that is served at; ``None`` before the start, after the end, and without a server."""
        return None if self._server is None else self._server.port

    @hookimpl
    def on_start(self, settings: Settings) -> None:
        """Register with the registry, and listen.

        :raises ConfigurationError: the registry has metrics of these names, or the port cannot be listened at.
        :raises PluginError: the library failed.
        :raises StateError: this object serves another consumer already.
        """
        from kafka_parallel_plugins.prometheus.collector import ObservedConsumer
        from kafka_parallel_plugins.prometheus.server import MetricsServer

        if self._settings is not None:
            raise StateError("this plugin object counts for another consumer already: make one for each consumer")
        self._settings, self._clock = settings, settings.clock
        consumer = ObservedConsumer(
            settings, self._attempts, self._events, has_partitions=self._has_partitions, wall_clock=self._wall_clock
        )
        collector = _registered(self._registry)
        collector.observe(consumer)
        self._observed = collector, consumer
        if self._port is not None:
            try:
                self._server = MetricsServer(self._host, self._port, self._registry)
            except Exception:
                collector.forget(consumer)
                raise

    @hookimpl
    def on_handled(self, handled: Sequence[Handled]) -> None:
        """Count attempts that have ended, by topic, with their durations in seconds."""
        self._attempts.count_handled(handled, self._wall_clock() - self._clock())

    @hookimpl(wrapper=True, tryfirst=True)
    def on_error(self, error: BaseException, context: RecordContext) -> Generator[None, Any, Any]:
        """Count the class of the error and the verdict; nothing for a record whose partition has left."""
        answer = None
        try:
            answer = yield
        finally:
            if context.counts:
                self._events.count_error(context.raw.topic, _original_class(error))
                self._count_verdict(context.raw.topic, answer)
        return answer

    def _count_verdict(self, topic: str, answer: object) -> None:
        if isinstance(answer, Retry):
            self._events.count_retry(topic)
        elif not isinstance(answer, Skip):
            self._events.count_outcome(topic, "halted")
        elif answer.written_to is None:
            self._events.count_outcome(topic, "skipped")
        elif self._settings is not None and answer.written_to in self._settings.sources:
            self._events.count_retry(topic)  # it is the record of another topic now, and ends there
        else:
            self._events.count_outcome(topic, "dead_lettered")

    @hookimpl(wrapper=True)
    def on_commit(self, context: CommitContext) -> Generator[None, Any, Any]:
        """Count the commit by result and reason, and record its duration in seconds."""
        started = self._clock()
        try:
            result = yield
        except Exception:
            self._events.count_commit("error", context.reason, self._clock() - started)
            raise
        self._events.count_commit("ok", context.reason, self._clock() - started)
        return result

    @hookimpl
    def on_stop(self, settings: Settings) -> None:
        """Stop listening, and leave the counters in the registry as long as this object exists."""
        if settings is not self._settings:
            return  # the start of another consumer was refused
        server, self._server = self._server, None
        self._settings = None
        if self._observed is not None:
            self._observed[1].has_ended = True
        if server is not None:
            server.close()


def _registry(registry: CollectorRegistry | None) -> CollectorRegistry:
    try:
        import prometheus_client
    except ImportError as error:
        raise PluginError(
            "plugin prometheus needs the package prometheus-client: pip install 'kafka-parallel[prometheus]'"
        ) from error
    if registry is None:
        return prometheus_client.REGISTRY
    if not isinstance(registry, prometheus_client.CollectorRegistry):
        raise wrong_setting("prometheus", "registry", registry, "a prometheus_client.CollectorRegistry, or None")
    return registry


def _registered(registry: CollectorRegistry) -> MetricsCollector:
    from kafka_parallel_plugins.prometheus.collector import collector_of

    try:
        return collector_of(registry)
    except ValueError as error:
        raise ConfigurationError(
            f"plugin prometheus: the registry has metrics of these names from elsewhere ({error}): give the plugin a "
            "registry of its own, or rename those"
        ) from error
    except Exception as error:
        raise PluginError(f"plugin prometheus: the registry raised {class_name(error)}") from error


def _bounds(buckets: Sequence[float]) -> tuple[float, ...]:
    is_list = isinstance(buckets, Sequence) and not isinstance(buckets, (str, bytes)) and len(buckets) > 0
    if not is_list or not all(_is_bound(bound) for bound in buckets) or sorted({*buckets}) != [*buckets]:
        wanted = "rising finite numbers of seconds above 0, without the last one, +Inf"
        if is_list and all(type(bound) in (int, float) for bound in buckets):
            values = ", ".join(map(repr, buckets))
            raise ConfigurationError(f"buckets of plugin prometheus are {values}: they must be {wanted}")
        raise wrong_setting("prometheus", "buckets", buckets, wanted)
    return tuple(map(float, buckets))


def _is_bound(bound: object) -> bool:
    return isinstance(bound, (int, float)) and not isinstance(bound, bool) and 0 < bound < math.inf


def _original_class(error: BaseException) -> str:
    """The name of the error's class, and of the original one if that could not be sent by its process."""
    if type(error) is HandlerError:
        return error.type_name.rpartition(".")[2]
    return class_name(error)
