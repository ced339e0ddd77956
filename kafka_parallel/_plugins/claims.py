"""Is a plugin object in another run already?

A plugin may keep facts of one run: its clock, its group, its throttle, its topics. An object that does so says it with
an attribute ``serves_one_run = True``, and two runs cannot have it at once. Names and ``(name, settings)`` pairs make
an object for each consumer, so only objects that the user has made can be meant.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from kafka_parallel.errors import ConfigurationError

if TYPE_CHECKING:
    from kafka_parallel._plugins.manager import Plugins

_lock = threading.Lock()
# The process in which each object is in a run, by its identity: one that was forked has no runs of its parent's.
_in_runs: dict[int, int] = {}


class Claims:
    """The plugin objects that a run has for itself, from `take` to `release`."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        self._taken: list[object] = []  # the objects themselves: the identity of one that is gone may come again

    def take(self) -> None:
        """Claim the objects that serve one run.

        :raises ConfigurationError: another run has one of them; none is claimed then.
        """
        found = self._plugins.declaring("serves_one_run")
        with _lock:
            for name, plugin in found:
                if _in_runs.get(id(plugin)) == os.getpid():
                    raise ConfigurationError(
                        f"plugin {name!r}: this {type(plugin).__name__} is in another run, and serves one at a time: "
                        "make one for each consumer, or give its name and its settings"
                    )
            self._taken = [plugin for _, plugin in found]
            _in_runs.update((id(plugin), os.getpid()) for plugin in self._taken)

    def release(self) -> None:
        """Let other runs have them; a second call does nothing."""
        with _lock:
            for plugin in self._taken:
                _in_runs.pop(id(plugin), None)
            self._taken = []
