"""How often did which hook of which plugin raise an error of its own?"""

from __future__ import annotations

import threading
from collections import Counter


class PluginErrors:
    """Counts them; any thread may count and ask."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def count(self, plugin: str, hook: str) -> None:
        """Note that *hook* of *plugin* raised."""
        with self._lock:
            self._counts[plugin, hook] += 1

    @property
    def counts(self) -> dict[tuple[str, str], int]:
        """The counts so far. Without the lock: a signal handler may ask while its own thread counts."""
        return dict(self._counts)
