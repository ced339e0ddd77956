"""The span of each attempt, from its start to the verdict, and on to the next attempt if the record is tried again.

An attempt's span is that of its handler: it ends when the handler does. It is kept until ``on_error`` has been asked,
because the decision belongs to it too: a dead letter is written inside its context. After that only its identity is
kept, and only while the record waits for its next attempt, whose span is linked to it.

Two attempts end otherwise. A handler that misses its deadline runs on, perhaps for ever: its span ends with the
verdict. A coroutine that is cancelled is not told the cause: its span ends with the verdict too, which is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from opentelemetry.context import Context, attach
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext

from kafka_parallel import BatchFailed, RecordContext, Retry
from kafka_parallel_plugins.opentelemetry.carried import Sent, carried_by, sent
from kafka_parallel_plugins.opentelemetry.propagation import creation_context
from kafka_parallel_plugins.opentelemetry.spans import ActiveSpan, SpanMaker

if TYPE_CHECKING:
    from kafka import TopicPartition
    from kafka.consumer.fetcher import ConsumerRecord

    from kafka_parallel import Handled
    from kafka_parallel.values import LeaveScope, Ownership
    from kafka_parallel_plugins.opentelemetry.once import LoggedOnce

    Place: TypeAlias = tuple[str, int, int]


class AttemptSpans:
    """The spans of one consumer. Any thread may call every method, and none of them raises.

    :param maker: starts spans.
    :param once: logs an error of the observability library.
    :param end_later: ends a span on another thread, for a verdict must not wait for an exporter.
    """

    def __init__(self, maker: SpanMaker, once: LoggedOnce, end_later: Callable[[Span], None]) -> None:
        self._maker = maker
        self._end_later = end_later
        self._once = once
        self._open: dict[Place, ActiveSpan] = {}
        self._waiting: dict[Place, SpanContext] = {}

    def enter(self, raw: ConsumerRecord, attempt: int, queued_at: float, assignment: Ownership) -> LeaveScope | None:
        """Start the span of an attempt and make it current; return the function that ends it, if there is one."""
        context = RecordContext(raw, attempt, 0, queued_at, None, assignment=assignment)
        active = self.start_attempt(context)
        return None if active is None else partial(self.end_attempt, active, (context,))

    def pass_on(self, raw: ConsumerRecord) -> None:
        """Make the context current in which *raw* was created; it ends with the attempt, as all its variables do."""
        try:
            if created := creation_context(raw.headers):
                attach(created)
        except Exception:  # noqa: BLE001 - the propagator's, and never the record's
            self._once.log("pass a context on")

    def start_attempt(self, context: RecordContext) -> ActiveSpan | None:
        """Start the span of an attempt and make it current; ``None`` if there is none."""
        try:
            active = self._start(context)
            if active is not None:
                active.attach()
                self._open[_place(context.raw)] = active
        except Exception:  # noqa: BLE001 - the tracer's, and never the record's
            self._once.log("start a span")
            return None
        return active

    def _start(self, context: RecordContext) -> ActiveSpan | None:
        raw, attempt = context.raw, context.attempt
        previous = self._waiting.pop(_place(raw), None) if attempt > 1 else None
        return self._maker.of_record(raw, previous, attempt, context.queued_at)

    def start_batch(self, contexts: Sequence[RecordContext]) -> ActiveSpan | None:
        """Start the span of one call with many records, for the attempt at each of them, and make it current."""
        try:
            places = [_place(context.raw) for context in contexts]
            previous = [identity for place in places if (identity := self._waiting.pop(place, None)) is not None]
            active = self._maker.of_batch([context.raw for context in contexts], previous)
            if active is not None:
                active.attach()
                self._open.update(dict.fromkeys(places, active))
        except Exception:  # noqa: BLE001 - the tracer's, and never the records'
            self._once.log("start a span")
            return None
        return active

    def end_attempt(
        self, active: ActiveSpan, contexts: Sequence[RecordContext], error: BaseException | None = None
    ) -> None:
        """End the span after the handler has returned, or raised *error*; it is current no more.

        :param contexts: of the attempts that it stands for.
        """
        try:
            if not isinstance(error, GeneratorExit):  # Python throws the coroutine away, in whichever context
                active.detach()
            judged = (
                {place for place in _failed(len(contexts), error) if contexts[place].counts}
                if error is not None
                else ()
            )
            for place, context in enumerate(contexts):
                if place not in judged:
                    self._close(active, context)
            active.left_with = error if judged else None
            if not judged or not isinstance(error, asyncio.CancelledError):
                active.end_span(error)
        except Exception:  # noqa: BLE001 - as above
            self._once.log("end a span")

    def _close(self, active: ActiveSpan, context: RecordContext) -> None:
        place = _place(context.raw)
        if self._open.get(place) is active:  # not that of the next attempt, after a deadline
            self._open.pop(place, None)

    def judge(self, context: RecordContext, error: BaseException) -> ActiveSpan | None:
        """End the span of a failed attempt unless it has ended, and make it current for the decision.

        An attempt without a span gets one, for it must not be missing from the trace: the record could not be
        deserialised, or the process died in which its span was begun.
        """
        try:
            active = self._open.pop(_place(context.raw), None) or self._late(context, error)
            if active is not None:
                active.left_with = None  # or it would hold itself, by the traceback of the error
                active.end_span(error, self._end_later)
                active = ActiveSpan(active.span, active.context)  # a batch has one span for many verdicts
                active.attach()
        except Exception:  # noqa: BLE001 - as above
            self._once.log("make a span current for a verdict")
            return None
        return active

    def _late(self, context: RecordContext, error: BaseException) -> ActiveSpan | None:
        carried = carried_by(error)
        return self._start(context) if carried is None else ActiveSpan(NonRecordingSpan(carried), Context())

    def decided(self, active: ActiveSpan | None, context: RecordContext, answer: object) -> None:
        """Note the verdict; the span is current no more."""
        if active is None:
            return
        try:
            active.detach()
            identity = active.span.get_span_context()
            if isinstance(answer, Retry) and identity.is_valid and context.counts:
                self._waiting[_place(context.raw)] = identity
            else:
                self._waiting.pop(_place(context.raw), None)
        except Exception:  # noqa: BLE001 - as above
            self._once.log("note a verdict")

    def told(self, context: RecordContext) -> Sent | None:
        """The identity of the span of the attempt before, for the process that gets this one.

        It is kept, for a record may be sent twice: see `settle`.
        """
        identity = self._waiting.get(_place(context.raw)) if context.attempt > 1 else None
        return None if identity is None else sent(identity)

    def settle(self, handled: Sequence[Handled]) -> None:
        """Forget the attempts before those of *handled* that have succeeded elsewhere."""
        for record, attempt, _, _, _, error in handled:
            if attempt > 1 and error is None:
                self._waiting.pop(_place(record), None)

    def forget(self, partitions: Collection[TopicPartition] | None = None) -> None:
        """Forget what waits of *partitions*, which have left; without them, of all."""
        for place in [place for place in [*self._waiting] if partitions is None or place[:2] in partitions]:
            self._waiting.pop(place, None)
        unjudged = [
            (place, active)
            for place, active in [*self._open.items()]
            if active.left_with is not None and (partitions is None or place[:2] in partitions)
        ]
        for place, active in unjudged:  # several of a batch have one span, which is ended with the first of them
            self._open.pop(place, None)
            self._end_unjudged(active)

    def _end_unjudged(self, active: ActiveSpan) -> None:
        error, active.left_with = active.left_with, None
        try:
            active.end_span(error, self._end_later)
        except Exception:  # noqa: BLE001 - as above
            self._once.log("end a span")


def _place(raw: ConsumerRecord) -> Place:
    return raw.topic, raw.partition, raw.offset


def _failed(count: int, error: BaseException) -> Collection[int]:
    """The attempts out of *count* that *error* is about: a `BatchFailed` tells, unless it names one that is not there.

    ``on_error`` is asked about these.
    """
    if isinstance(error, BatchFailed) and max(error.failed) < count:
        return error.failed.keys()
    return range(count)
