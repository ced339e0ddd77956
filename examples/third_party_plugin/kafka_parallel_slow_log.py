"""Logs records whose handler takes long."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from typing import Any

from kafka_parallel import ConfigurationError, RecordContext, hookimpl

log = logging.getLogger(__name__)


class SlowLog:
    """Logs every record that takes longer than *limit_ms* milliseconds."""

    def __init__(self, *, limit_ms: float = 1000) -> None:
        if limit_ms < 0:
            raise ConfigurationError(f"slow-log: limit_ms={limit_ms!r}: must be 0 or more")
        self._limit = limit_ms / 1000

    @hookimpl(wrapper=True)
    def on_record(self, record: Any, context: RecordContext) -> Generator[None, Any, Any]:
        """Measure the handler."""
        started = time.monotonic()
        try:
            return (yield)
        finally:
            seconds = time.monotonic() - started
            if seconds > self._limit:
                log.warning("%s[%d]@%d took %.3f s", record.topic, record.partition, record.offset, seconds)
