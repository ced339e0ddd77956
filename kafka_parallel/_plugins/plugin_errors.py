"""The number of errors that hooks of plugins have raised of their own."""

from __future__ import annotations

import threading
from collections import Counter


class PluginErrors:
    """Counts errors by plugin and hook; any thread may count and ask."""

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


class HookOfPlugin:
    """One hook of one plugin, as messages name it.

    :param errors: told of its errors.
    """

    def __init__(self, plugin: str, hook: str, errors: PluginErrors) -> None:
        self._plugin = plugin
        self._hook = hook
        self._errors = errors

    def __str__(self) -> str:
        return f"{self._plugin!r} in {self._hook}"

    def raised(self) -> None:
        """Note that the plugin raised an error of its own."""
        self._errors.count(self._plugin, self._hook)
