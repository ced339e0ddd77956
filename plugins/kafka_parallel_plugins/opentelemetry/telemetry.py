"""All that one consumer sends to OpenTelemetry while it runs: spans of its attempts and commits, and measurements.

Nothing here raises an error of the observability library.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from opentelemetry import metrics, trace

from kafka_parallel_plugins.opentelemetry import conventions as names
from kafka_parallel_plugins.opentelemetry.attempt_spans import AttemptSpans
from kafka_parallel_plugins.opentelemetry.commit_span import end_commit, start_commit
from kafka_parallel_plugins.opentelemetry.gauges import Gauges, Observed
from kafka_parallel_plugins.opentelemetry.instruments import Instruments, Measurements
from kafka_parallel_plugins.opentelemetry.span_ends import SpanEnds
from kafka_parallel_plugins.opentelemetry.spans import SpanMaker, SpanOptions

if TYPE_CHECKING:
    from kafka import TopicPartition
    from kafka.consumer.fetcher import ConsumerRecord
    from opentelemetry.metrics import Meter, MeterProvider
    from opentelemetry.trace import TracerProvider

    from kafka_parallel import Handled, RecordContext, Settings
    from kafka_parallel_plugins.opentelemetry.instruments import Durations
    from kafka_parallel_plugins.opentelemetry.once import LoggedOnce


# The time between two looks for an SDK while there is none, in seconds: a look costs as much as many a record.
LOOK_EVERY = 1.0


class Shared:
    """The instruments of one meter provider, for all consumers of a process that use it.

    An SDK takes each instrument once: the callback of a second gauge of the same name would never be called.
    """

    def __init__(self, meter: Meter) -> None:
        self.instruments = Instruments(meter)
        self.gauges = Gauges(meter)


class Global:
    """Stands for the global meter provider, which may be set later than the first consumer starts."""


GLOBAL = Global()
_SHARED: WeakKeyDictionary[object, Shared] = WeakKeyDictionary()
_LOCK = Lock()


def shared(provider: MeterProvider | None) -> Shared:
    """The instruments of *provider*; ``None`` = the global one."""
    key = GLOBAL if provider is None else provider
    with _LOCK:
        if key not in _SHARED:
            meter = metrics.get_meter(names.SCOPE, names.own_version() or "", provider, names.SCHEMA_URL)
            _SHARED[key] = Shared(meter)
        return _SHARED[key]


class Telemetry:
    """The spans and the measurements of one run. Any thread may call every method, and none raises.

    :param commit_spans: whether a commit has a span too.
    :param partitions: whether measurements tell the partition.
    :raises Exception: a provider raised it.
    :ivar attempts: the spans of attempts.
    :ivar makes_spans: false while no SDK makes spans: then there is only the context of a record to pass on.
    """

    def __init__(
        self,
        options: SpanOptions,
        settings: Settings,
        once: LoggedOnce,
        providers: tuple[TracerProvider | None, MeterProvider | None],
        *,
        commit_spans: bool,
        partitions: bool,
    ) -> None:
        self._tracer_provider, self._meter_provider = tracer_provider, meter_provider = providers
        self._client = options.client
        self._once = once
        self._clock = settings.clock
        self._commit_spans = commit_spans
        self._tracer = trace.get_tracer(names.SCOPE, names.own_version(), tracer_provider, names.SCHEMA_URL)
        self._spans = SpanMaker(options, self._tracer, settings.clock)
        self._ends = SpanEnds(once)
        self.attempts = AttemptSpans(self._spans, once, self._ends.end_later)
        together = shared(meter_provider)
        self._measurements = Measurements(together.instruments, options.client, partitions=partitions)
        self._observed = Observed(settings.facts, options.client, once, partitions=partitions)
        self._consumers = together.gauges.consumers
        self._consumers.add(self._observed)
        self._look_again_at = 0.0
        self._look_for_an_sdk()

    def handled(self, handled: Sequence[Handled], durations: Durations) -> None:
        """Record attempts that have ended."""
        try:
            if not (self.makes_spans and self._measures) and handled[-1][4] >= self._look_again_at:
                self._look_for_an_sdk()
            if self._measures:
                self._measurements.note_handled(handled, durations)
        except Exception:  # noqa: BLE001 - the meter's, and none of the consumer's business
            self._once.log("record attempts")

    def _look_for_an_sdk(self) -> None:
        """Find out whether spans are made, and measurements; an SDK may be set up after the start."""
        self.makes_spans = not _does_nothing(self._tracer_provider or trace.get_tracer_provider())
        self._measures = not _does_nothing(self._meter_provider or metrics.get_meter_provider())
        self._look_again_at = self._clock() + LOOK_EVERY

    def unreadable(self, raw: ConsumerRecord) -> None:
        """Record that a record was consumed that could not be deserialised."""
        with self._once.during("record a record"):
            self._measurements.note_unreadable(raw)

    @contextmanager
    def around_batch(self, contexts: Sequence[RecordContext]) -> Iterator[None]:
        """Run a call of the handler with many records inside its span, and record how long it takes."""
        started = self._clock()
        active = self.attempts.start_batch(contexts) if self.makes_spans else None
        failure = None
        try:
            yield
        except BaseException as error:
            failure = error
            raise
        finally:
            if active is not None:
                self.attempts.end_attempt(active, contexts, failure)
            with self._once.during("record a batch"):
                raws = [context.raw for context in contexts if context.counts]
                if raws:
                    self._measurements.note_batch(raws, self._clock() - started, failure)
            del failure  # or it would hold itself, by its traceback

    @contextmanager
    def around_commit(self, partitions: Collection[TopicPartition]) -> Iterator[None]:
        """Record how long a commit takes, and make its span if there is to be one; let its error out."""
        span, started, failure = None, self._clock(), None
        with self._once.during("start the span of a commit"):
            span = start_commit(self._tracer, self._client, partitions) if self._commit_spans else None
        try:
            yield
        except BaseException as error:
            failure = error
            raise
        finally:
            with self._once.during("record a commit"):
                self._measurements.note_commit(partitions, self._clock() - started, failure)
                if span is not None:
                    end_commit(span, failure, self._ends.end_later)
            del failure  # or it would hold itself, by its traceback

    def stop(self) -> None:
        """Forget what is left of the run."""
        self.attempts.forget()
        self._consumers.discard(self._observed)
        self._ends.close()


def _does_nothing(provider: object) -> bool:
    """Tell whether *provider* is one of the API's own, which stand for an SDK that is not set up."""
    return type(provider).__module__.startswith(("opentelemetry.trace", "opentelemetry.metrics"))
