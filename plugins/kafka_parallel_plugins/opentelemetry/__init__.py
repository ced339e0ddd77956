"""Traces and metrics by OpenTelemetry, named as its semantic conventions for Kafka say.

Each attempt at a record has a span ``process <topic>``. Its parent is the context that the producer has put into the
record's headers, and the handler runs inside it, so one trace goes from the producer through the handler to whatever
that calls. Only the API is used: without an SDK nothing is recorded, and the context is passed on all the same.

An error of the SDK, of a sampler or an exporter is logged once and reaches neither records nor commits. One that blocks
holds up the worker that it blocks: an exporter belongs behind a ``BatchSpanProcessor``, which has a thread of its own.
It holds up neither polls, commits nor verdicts about late handlers, whose spans end on a thread of the plugin.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kafka_parallel import ConfigurationError, PluginError, Settings, hookimpl
from kafka_parallel.plugin_support import get_logger, shown
from kafka_parallel_plugins.opentelemetry.once import LoggedOnce

if TYPE_CHECKING:
    from kafka import OffsetAndMetadata, TopicPartition
    from kafka.consumer.fetcher import ConsumerRecord
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from kafka_parallel import BatchContext, Handled, RecordContext
    from kafka_parallel.values import AttemptScope, LeaveScope, Ownership
    from kafka_parallel_plugins.opentelemetry.carried import Sent
    from kafka_parallel_plugins.opentelemetry.child_spans import ChildSpans
    from kafka_parallel_plugins.opentelemetry.instruments import Durations
    from kafka_parallel_plugins.opentelemetry.spans import SpanOptions
    from kafka_parallel_plugins.opentelemetry.telemetry import Telemetry

__all__ = ["OpenTelemetry"]

log = get_logger(__name__)

PARENTS = ("creation", "link")


class OpenTelemetry:
    """Makes a span of each attempt, and records the metrics of the conventions.

    Threads: the hooks run where the consumer calls them.

    :param parent: ``"creation"``: the context in which a record was created is the parent of its span, and linked;
        ``"link"``: it is only linked, and each record begins a trace of its own.
    :param keys: put the keys of records that are text into their spans; they may be personal data.
    :param sizes: put the sizes of their values, in bytes, into their spans.
    :param partitions: tell the measurements of different partitions apart.
    :param commit_spans: make a span of each commit too.
    :param tracer_provider: makes the tracer; ``None`` = the global one.
    :param meter_provider: makes the meter; ``None`` = the global one.
    :raises ConfigurationError: a setting cannot work.
    :raises PluginError: OpenTelemetry is not installed.
    """

    def __init__(
        self,
        *,
        parent: str = "creation",
        keys: bool = False,
        sizes: bool = False,
        partitions: bool = False,
        commit_spans: bool = False,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        if parent not in PARENTS:
            known = ", ".join(PARENTS)
            raise ConfigurationError(f"parent of plugin opentelemetry is {shown(parent)}: known are {known}")
        for name, switch in {
            "keys": keys, "sizes": sizes, "partitions": partitions, "commit_spans": commit_spans
        }.items():  # fmt: skip
            if not isinstance(switch, bool):
                raise ConfigurationError(f"{name} of plugin opentelemetry is {shown(switch)}: write True or False")
        _require_provider("tracer_provider", tracer_provider, "get_tracer")
        _require_provider("meter_provider", meter_provider, "get_meter")
        _require_api()
        self._parent, self._keys, self._sizes = parent, keys, sizes
        self._partitions, self._commit_spans = partitions, commit_spans
        self._tracer_provider, self._meter_provider = tracer_provider, meter_provider
        self._once = LoggedOnce()
        self._telemetry: Telemetry | None = None
        self._is_batch = self._is_remote = False
        self._durations: Durations = "attempts"

    @hookimpl
    def provide_child_wrapper(self, settings: Settings) -> ChildSpans:
        """Have the spans of handlers in other processes made there.

        :raises ConfigurationError: a provider was given, which cannot be sent there.
        """
        if self._tracer_provider is not None:
            raise ConfigurationError(
                "tracer_provider of plugin opentelemetry cannot be sent to the processes that run the handler: leave "
                "it out, and set the global provider in the module of the handler"
            )
        from kafka_parallel_plugins.opentelemetry.child_spans import ChildSpans

        self._is_remote = True
        return ChildSpans(self._options(settings), self._told)

    @hookimpl
    def on_start(self, settings: Settings) -> None:
        """Make the tracer and the instruments. An error of that is logged, and then nothing is measured."""
        from kafka_parallel_plugins.opentelemetry.telemetry import Telemetry

        self._is_batch = settings.batch is not None
        if self._is_batch:
            self._durations = "calls" if self._is_remote else "none"
        with self._once.during("make a tracer and a meter"):
            self._telemetry = Telemetry(
                self._options(settings), settings, self._once, (self._tracer_provider, self._meter_provider),
                commit_spans=self._commit_spans, partitions=self._partitions,
            )  # fmt: skip
            if not self._telemetry.makes_spans:
                log.info("no tracer provider of an SDK is set: no spans are recorded until one is; set it before "
                         "run(), or give it as tracer_provider=")  # fmt: skip

    @hookimpl(tryfirst=True)
    def provide_attempt_scope(self) -> AttemptScope:
        """Run the handler inside the span of the attempt; a batch has its span in `on_batch`."""
        return self._enter

    def _enter(self, raw: ConsumerRecord, attempt: int, queued_at: float, assignment: Ownership) -> LeaveScope | None:
        telemetry = self._telemetry
        if telemetry is None or self._is_batch:
            return None
        if telemetry.makes_spans:
            return telemetry.attempts.enter(raw, attempt, queued_at, assignment)
        if raw.headers:
            telemetry.attempts.pass_on(raw)
        return None

    @hookimpl(wrapper=True, tryfirst=True)
    def on_batch(self, context: BatchContext) -> Generator[None, Any, Any]:
        """Run the handler of a list inside one span for all of them."""
        telemetry = self._telemetry
        if telemetry is None:
            return (yield)
        with telemetry.around_batch(context.attempts):
            return (yield)

    @hookimpl(wrapper=True, tryfirst=True)
    def on_error(self, error: BaseException, context: RecordContext) -> Generator[None, Any, Any]:
        """Decide inside the span of the attempt, which a dead letter belongs to as well."""
        telemetry, answer = self._telemetry, None
        if telemetry is None:
            return (yield)
        if context.stage == "prepare" and context.attempt == 1:
            telemetry.unreadable(context.raw)
        active = telemetry.attempts.judge(context, error)
        try:
            answer = yield
        finally:
            telemetry.attempts.decided(active, context, answer)
        return answer

    @hookimpl
    def on_handled(self, handled: Sequence[Handled]) -> None:
        """Count the records that are consumed, and record the durations of the attempts that have ended."""
        if self._telemetry is not None:
            self._telemetry.handled(handled, self._durations)
            if self._is_remote:
                self._telemetry.attempts.settle(handled)

    @hookimpl(wrapper=True, tryfirst=True)
    def on_commit(self, offsets: dict[TopicPartition, OffsetAndMetadata]) -> Generator[None, Any, Any]:
        """Record how long the commit took and how it ended; make a span of it with ``commit_spans``."""
        if self._telemetry is None:
            return (yield)
        with self._telemetry.around_commit([*offsets]):
            return (yield)

    @hookimpl
    def on_revoke(self, partitions: frozenset[TopicPartition]) -> None:
        """Forget the attempts at records of partitions that have left."""
        if self._telemetry is not None:
            self._telemetry.attempts.forget(partitions)

    @hookimpl
    def on_stop(self) -> None:
        """Forget the run."""
        if self._telemetry is not None:
            self._telemetry.stop()

    def _told(self, context: RecordContext) -> Sent | None:
        return None if self._telemetry is None else self._telemetry.attempts.told(context)

    def _options(self, settings: Settings) -> SpanOptions:
        from kafka_parallel_plugins.opentelemetry.conventions import client_attributes
        from kafka_parallel_plugins.opentelemetry.spans import SpanOptions

        client = client_attributes(settings.group_id, settings.consumer_config.get("client_id"))
        return SpanOptions(self._parent == "creation", self._keys, self._sizes, client, dict(settings.sources))


def _require_provider(setting: str, provider: object, method: str) -> None:
    if provider is not None and not callable(getattr(provider, method, None)):
        raise ConfigurationError(
            f"{setting} of plugin opentelemetry is {shown(provider)} without {method}: give a "
            f"{setting.title().replace('_', '')}"
        )


def _require_api() -> None:
    try:
        import_module("opentelemetry.trace")
    except ImportError as error:
        raise PluginError(
            "plugin opentelemetry needs the package opentelemetry-api: pip install 'kafka-parallel[otel]'"
        ) from error
