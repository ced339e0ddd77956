"""When so many records fail that the dead-letter topic is the wrong place for them.

A dead-letter topic is for the few. If a deployment broke the handler, every record fails, and without a limit the whole
topic drains into its dead letters. Above the limit the consumer stops instead, and the records stay where they are.
(The idea is that of ``DlqLimit`` in Sentry's arroyo.)

A record counts in the partition it was read from, a retry topic's included. The origin that it claims is in headers,
which any producer can write, and must neither get it past the limit nor decide how much is remembered.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kafka_parallel import ConfigurationError, hookimpl
from kafka_parallel.plugin_support import shown

if TYPE_CHECKING:
    from kafka_parallel import RecordContext

__all__ = ["DlqLimit"]


@dataclass(frozen=True)
class DlqLimit:
    """The limit of dead letters, per partition.

    :ivar max_ratio: the part of the last ``window`` records that may become dead letters, 0 to below 1; ``None`` = any.
    :ivar window: how many records are looked at; the ratio is not judged before there were so many.
    :ivar max_consecutive: how many records may become dead letters with no success between them; ``None`` = any.
    :raises ConfigurationError: it limits nothing, or a number cannot work.
    """

    max_ratio: float | None = None
    window: int = 100
    max_consecutive: int | None = None

    def __post_init__(self) -> None:
        if self.max_ratio is None and self.max_consecutive is None:
            raise ConfigurationError("limit of plugin dlq limits nothing: set max_ratio, max_consecutive, or both")
        ratio = self.max_ratio
        if ratio is not None and (not isinstance(ratio, (int, float)) or isinstance(ratio, bool) or not 0 <= ratio < 1):
            raise ConfigurationError(f"max_ratio of plugin dlq's limit is {shown(ratio)}: it must be from 0 to below 1")
        for name in ("window", "max_consecutive"):
            count = getattr(self, name)
            if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 1):
                raise ConfigurationError(
                    f"{name} of plugin dlq's limit is {shown(count)}: it must be an integer of at least 1"
                )


class _Recent:
    """The last records of one partition: which of them failed."""

    def __init__(self, window: int) -> None:
        self._failed: deque[bool] = deque(maxlen=window)
        self.failures = self.consecutive = 0

    def add(self, *, failed: bool) -> None:
        if self.is_full:
            self.failures -= self._failed[0]
        self._failed.append(failed)
        self.failures += failed
        self.consecutive = self.consecutive + 1 if failed else 0

    @property
    def is_full(self) -> bool:
        return len(self._failed) == self._failed.maxlen


class LimitWatch:
    """Counts successes and dead letters. A lock guards the counts: workers call both methods."""

    def __init__(self, limit: DlqLimit) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._recent: dict[tuple[str, int], _Recent] = defaultdict(lambda: _Recent(limit.window))
        self._running: set[tuple[object, ...]] = set()

    @hookimpl(wrapper=True)
    def on_record(self, context: RecordContext) -> Generator[None, Any, Any]:
        """Count a success, but not after its deadline, when it has failed already, nor after its partition left."""
        attempt, raw = _attempt(context), context.raw
        with self._lock:
            self._running.add(attempt)
        try:
            result = yield
            with self._lock:
                if attempt in self._running and context.counts:
                    self._recent[raw.topic, raw.partition].add(failed=False)
        finally:
            with self._lock:
                self._running.discard(attempt)
        return result

    def failed(self, context: RecordContext) -> None:
        """Note that an attempt failed, whatever that will mean: its handler may return yet, after its deadline."""
        with self._lock:
            self._running.discard(_attempt(context))

    def exceeded(self, context: RecordContext) -> str | None:
        """Count a record that is about to become a dead letter; say which limit that exceeds, if any."""
        self.failed(context)
        limit, raw = self._limit, context.raw
        with self._lock:
            recent = self._recent[raw.topic, raw.partition]
            recent.add(failed=True)
            if limit.max_consecutive is not None and recent.consecutive > limit.max_consecutive:
                what = f"{recent.consecutive} records in a row"
                return f"{what} would be dead letters (max_consecutive={limit.max_consecutive})"
            if limit.max_ratio is not None and recent.is_full and recent.failures > limit.max_ratio * limit.window:
                what = f"{recent.failures} of the last {limit.window} records"
                return f"{what} would be dead letters (max_ratio={limit.max_ratio:g})"
        return None


def _attempt(context: RecordContext) -> tuple[object, ...]:
    raw = context.raw
    return raw.topic, raw.partition, raw.offset, context.assignment_id, context.attempt
