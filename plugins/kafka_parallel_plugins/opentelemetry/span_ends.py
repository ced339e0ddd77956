"""How spans end whose threads must not wait: those of commits and of verdicts.

``Span.end()`` calls the exporter where no ``BatchSpanProcessor`` stands before it, and an exporter may block. The
thread that polls and commits, or one that gives a verdict about a late handler, must not wait for it. So these spans
end on a thread of their own, at the time at which they were handed over. Its queue is bounded, and spans that find it
full are dropped: a trace that lacks spans is better than records that stand still.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from kafka_parallel.plugin_support import get_logger

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from kafka_parallel_plugins.opentelemetry.once import LoggedOnce

log = get_logger("kafka_parallel_plugins.opentelemetry")

# The most spans that wait for their end.
MOST_WAITING = 2048
# The longest wait for the last of them when the run ends, in seconds.
CLOSE_TIMEOUT = 2.0


class SpanEnds:
    """Ends spans on a daemon thread, which starts with the first of them. Any thread may call every method.

    :param once: logs an error of the observability library.
    """

    def __init__(self, once: LoggedOnce) -> None:
        self._once = once
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Span, int]] = deque()
        self._thread: threading.Thread | None = None
        self._is_over = self._has_dropped = False

    def end_later(self, span: Span) -> None:
        """End *span* soon, with this moment as its end; drop it if too many wait already."""
        with self._changed:
            is_full = len(self._waiting) >= MOST_WAITING
            is_first_drop = is_full and not self._has_dropped
            self._has_dropped |= is_full
            if not is_full:
                self._waiting.append((span, time.time_ns()))
                self._wake()
        if is_first_drop:
            log.warning(
                "plugin opentelemetry drops spans of commits and verdicts: %d wait for the exporter, which blocks or "
                "is slow; records and commits go on, and this is logged once", MOST_WAITING
            )  # fmt: skip

    def _wake(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._end_spans, name="kafka-parallel-span-ends", daemon=True)
            thread.start()
            self._thread = thread
        self._changed.notify_all()

    def _end_spans(self) -> None:
        while (next_one := self._next()) is not None:
            span, ended_at = next_one
            with self._once.during("end a span"):
                span.end(ended_at)

    def _next(self) -> tuple[Span, int] | None:
        with self._changed:
            while not self._waiting and not self._is_over:
                self._changed.wait()
            if self._waiting:
                return self._waiting.popleft()
            self._thread = None
            return None

    def close(self) -> None:
        """Let the thread end after the spans that wait; wait for it, but not for an exporter that blocks."""
        with self._changed:
            self._is_over = True
            thread = self._thread
            self._changed.notify_all()
        if thread is not None:
            thread.join(CLOSE_TIMEOUT)
