"""The spans of handlers that run in processes of a pool: made there, so that what the handler calls goes on with them.

The parent sends this object, and not a tracer: a process that is spawned begins with no SDK set up. The application has
to set it up there too, best when the handler's module is imported, for that happens in both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from kafka_parallel import BatchContext
from kafka_parallel_plugins.opentelemetry import conventions as names
from kafka_parallel_plugins.opentelemetry.carried import Sent, carry, received
from kafka_parallel_plugins.opentelemetry.once import LoggedOnce
from kafka_parallel_plugins.opentelemetry.spans import ActiveSpan, SpanMaker, SpanOptions

if TYPE_CHECKING:
    from kafka_parallel import RecordContext


class ChildSpans:
    """Starts a span for each record that this process handles; it can be pickled.

    :param options: the same as in the parent.
    :ivar tell: in the parent: from an attempt to the identity of the span of the attempt before, to be sent along.
    """

    def __init__(self, options: SpanOptions, tell: Callable[[RecordContext], Sent | None] = lambda _: None) -> None:
        self.tell = tell
        self._options = options
        self._once = LoggedOnce()
        self._maker: SpanMaker | None = None

    def __reduce__(self) -> tuple[type[ChildSpans], tuple[SpanOptions]]:
        return ChildSpans, (self._options,)

    def __call__(
        self, _: object, context: RecordContext | BatchContext, told: Sent | Sequence[Sent | None] | None
    ) -> AbstractContextManager[None]:
        """Start a span for what the handler is about to get; return the context manager to run it in."""
        try:
            active = self._start(context, told)
        except Exception:  # noqa: BLE001 - the tracer's, and never the record's
            self._once.log("start a span")
            active = None
        return nullcontext() if active is None else Around(active, self._once)

    def _start(self, context: RecordContext | BatchContext, told: Any) -> ActiveSpan | None:
        if self._maker is None:
            tracer = trace.get_tracer(names.SCOPE, names.own_version(), schema_url=names.SCHEMA_URL)
            self._maker = SpanMaker(self._options, tracer, time.monotonic)  # the parent's is that of the system, too
        if isinstance(context, BatchContext):
            previous = [received(numbers) for numbers in told if numbers is not None]
            return self._maker.of_batch([attempt.raw for attempt in context.attempts], previous)
        before = None if told is None else received(told)
        return self._maker.of_record(context.raw, before, context.attempt, context.queued_at)


class Around:
    """Makes a span current while the handler runs, and ends it then."""

    def __init__(self, active: ActiveSpan, once: LoggedOnce) -> None:
        self._active = active
        self._once = once

    def __enter__(self) -> None:
        try:
            self._active.attach()
        except Exception:  # noqa: BLE001 - as above
            self._once.log("make a span current")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            self._active.detach()
            self._active.end_span(error)
            if error is not None:
                carry(error, self._active.span.get_span_context())
        except Exception:  # noqa: BLE001 - as above
            self._once.log("end a span")
