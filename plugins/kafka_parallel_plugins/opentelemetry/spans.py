"""How a ``process`` span is made, made current, and ended.

Nothing here knows of attempts or hooks: a span is made of a record, in the consumer's process or in one of a pool.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import Token
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
)

from kafka_parallel_plugins.opentelemetry import conventions as names
from kafka_parallel_plugins.opentelemetry.propagation import creation_context

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord


@dataclass(frozen=True)
class SpanOptions:
    """The choices of the user, and the attributes of all spans; it can be sent to another process.

    :ivar is_child: whether the context in which a record was created is the parent of its span, or only linked.
    :ivar keys: whether a span has its record's key.
    :ivar sizes: whether it has the size of its record's value.
    :ivar client: the attributes that tell which consumer this is.
    :ivar sources: topics that carry records of other topics, each with that topic.
    """

    is_child: bool
    keys: bool
    sizes: bool
    client: Mapping[str, str]
    sources: Mapping[str, str]


class ActiveSpan:
    """A span, and the context in which the handler runs.

    :ivar span: the span.
    :ivar context: the record's baggage and the span.
    :ivar left_with: the error with which the handler has ended, until there is a verdict about it.
    """

    __slots__ = ("_has_ended", "_token", "context", "left_with", "span")

    def __init__(self, span: Span, context: Context) -> None:
        self.span = span
        self.context = set_span_in_context(span, context)
        self.left_with: BaseException | None = None
        self._token: Token[Context] | None = None
        self._has_ended = False

    def attach(self) -> None:
        """Make the context the current one."""
        self._token = attach(self.context)

    def detach(self) -> None:
        """Undo `attach`, in the same context of Python's as that."""
        token, self._token = self._token, None
        if token is not None:
            detach(token)

    def end_span(self, error: BaseException | None = None, end: Callable[[Span], None] | None = None) -> None:
        """End the span, with *error* if there is one; it does nothing if it has ended, as at a deadline.

        :param end: ends it, perhaps later and on another thread; ``None`` = it ends here.
        """
        if self._has_ended or not self.span.is_recording():
            return
        self._has_ended = True
        try:
            if error is not None:
                mark_failed(self.span, error)
        finally:
            self.span.end() if end is None else end(self.span)


class SpanMaker:
    """Starts spans. Any thread may call every method.

    :param tracer: it starts them.
    :param clock: the one that records are timed with, in seconds.
    """

    def __init__(self, options: SpanOptions, tracer: Tracer, clock: Callable[[], float]) -> None:
        self._options = options
        self._clock = clock
        self._tracer = tracer
        self._places: dict[tuple[str, int], tuple[str, dict[str, str]]] = {}

    def of_record(
        self,
        raw: ConsumerRecord,
        previous: SpanContext | None = None,
        attempt: int = 1,
        queued_at: float | None = None,
    ) -> ActiveSpan | None:
        """Start the span of an attempt at *raw*; ``None`` if there is nothing to record or to pass on.

        :param previous: the span of the attempt before.
        :param attempt: the number of the attempt.
        :param queued_at: when the record was taken from ``poll()``.
        """
        created = creation_context(raw.headers)
        links = [] if previous is None else [Link(previous)]
        if created and (origin := get_current_span(created).get_span_context()).is_valid:
            links.insert(0, Link(origin))
        name, attributes = self._place(raw.topic, raw.partition)
        span = self._tracer.start_span(name, self._parent(created), SpanKind.CONSUMER, attributes, links)
        if span.is_recording():
            span.set_attributes(self._details(raw, attempt, queued_at))
        elif not span.get_span_context().is_valid:  # there is no SDK: what the producer said is passed on
            return ActiveSpan(get_current_span(created), created) if created else None
        return ActiveSpan(span, created)

    def of_batch(self, raws: Sequence[ConsumerRecord], previous: Sequence[SpanContext]) -> ActiveSpan | None:
        """Start the span of a batch, which has a link to where each of its records was created, and no parent.

        :param previous: the spans of the attempts before, of those of its records that have failed.
        """
        origins = [get_current_span(creation_context(raw.headers)).get_span_context() for raw in raws]
        links = [Link(origin) for origin in (*origins, *previous) if origin.is_valid]
        topics = {raw.topic for raw in raws}
        name = f"{names.PROCESS} {topics.pop()}" if len(topics) == 1 else names.PROCESS
        span = self._tracer.start_span(name, Context(), SpanKind.CONSUMER, self._of_all(raws), links)
        return ActiveSpan(span, Context()) if span.get_span_context().is_valid else None

    def _parent(self, created: Context) -> Context:
        return created if self._options.is_child or not created else set_span_in_context(INVALID_SPAN, created)

    def _place(self, topic: str, partition: int) -> tuple[str, dict[str, str]]:
        """The name of a span, and the attributes that are the same for all records of a partition."""
        place = self._places.get((topic, partition))
        if place is None:
            attributes = {**self._process(), names.DESTINATION: topic, names.PARTITION: str(partition)}
            if (source := self._options.sources.get(topic)) is not None:
                attributes[names.SOURCE_TOPIC] = source
            place = self._places[topic, partition] = f"{names.PROCESS} {topic}", attributes
        return place

    def _process(self) -> dict[str, str]:
        return {
            **self._options.client,
            names.OPERATION_NAME: names.PROCESS,
            names.OPERATION_TYPE: names.PROCESS,
        }

    def _of_all(self, raws: Sequence[ConsumerRecord]) -> dict[str, Any]:
        """The attributes of a batch: a topic or a partition is one only if all its records have it."""
        attributes: dict[str, Any] = {**self._process(), names.BATCH_COUNT: len(raws)}
        places = {(raw.topic, raw.partition) for raw in raws}
        if len(topics := {topic for topic, _ in places}) == 1:
            attributes[names.DESTINATION] = topics.pop()
            if len(places) == 1:
                attributes[names.PARTITION] = str(raws[0].partition)
        return attributes

    def _details(self, raw: ConsumerRecord, attempt: int, queued_at: float | None) -> dict[str, Any]:
        attributes: dict[str, Any] = {names.OFFSET: raw.offset}
        if attempt > 1:
            attributes[names.ATTEMPT] = attempt
        elif queued_at is not None:
            attributes[names.QUEUE_DURATION] = max(self._clock() - queued_at, 0.0)
        if raw.value is None:
            attributes[names.TOMBSTONE] = True
        if self._options.keys and (key := _text(raw.key)) is not None:
            attributes[names.KEY] = key
        if self._options.sizes:
            attributes[names.BODY_SIZE] = max(raw.serialized_value_size, 0)
        return attributes


def mark_failed(span: Span, error: BaseException) -> None:
    """Say on *span* that it failed with *error*."""
    kind = names.error_type(error)
    span.set_status(Status(StatusCode.ERROR, kind))
    span.set_attribute(names.ERROR_TYPE, kind)
    try:
        span.record_exception(error)
    except KeyboardInterrupt:
        raise
    except BaseException as raised:
        if isinstance(raised, Exception):
            raise
        # The SDK asks the error for its text, and that may raise SystemExit: no reason to end the run.
        raise RuntimeError(f"the text of a {kind} cannot be made") from raised


def _text(key: object) -> str | None:
    """A record's key, if it is text."""
    if isinstance(key, bytes):
        try:
            return key.decode()
        except UnicodeDecodeError:
            return None
    return key if isinstance(key, str) else None
