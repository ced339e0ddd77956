"""How an error of the observability library is kept away from records and commits.

It is logged, once for each plugin: an exporter that is broken is broken for every record.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from kafka_parallel.plugin_support import get_logger

log = get_logger("kafka_parallel_plugins.opentelemetry")


class LoggedOnce:
    """Logs the first error; any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_logged = False

    def log(self, act: str) -> None:
        """Log the error that is being handled, which kept the plugin from *act*, unless one was logged before."""
        with self._lock:
            was_logged, self._is_logged = self._is_logged, True
        if not was_logged:
            log.exception("plugin opentelemetry could not %s; records and commits go on, and this is logged once", act)

    @contextmanager
    def during(self, act: str) -> Iterator[None]:
        """Log an error of what is done inside, and go on behind it."""
        try:
            yield
        except Exception:  # noqa: BLE001 - whatever an exporter or a sampler raises
            self.log(act)
