"""The installed plugins, and the one that a name means."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Collection
from functools import lru_cache
from itertools import chain

from kafka_parallel._suggestions import did_you_mean
from kafka_parallel.errors import PluginError

NAMED_GROUP = "kafka_parallel"
AUTOLOAD_GROUP = "kafka_parallel.autoload"
OWN_DISTRIBUTION = "kafka-parallel"
# Names of other libraries for plugins of ours.
PLUGINS_ELSEWHERE = {
    "threads": "thread-pool",
    "threading": "thread-pool",
    "processes": "process-pool",
    "multiprocessing": "process-pool",
    "async": "asyncio",
    "dask": "futures",
    "ray": "futures",
    "dead-letter": "dlq",
    "dead-letter-queue": "dlq",
    "deadletter": "dlq",
    "metrics": "timing-metrics",
    "otel": "opentelemetry",
    "key": "key-ordered",
    "partition": "partition-queue",
}

# Names of parts of ours that are no plugins, and how each is used.
NO_PLUGINS = {
    "inbox": "call kafka_parallel.inbox.first_time(...) in the handler",
    "producing": "write run(producing(handler, topic=...))",
}


class InstalledPlugins:
    """The entry points of both groups, read once: one reading opens a file of each installed distribution."""

    def __init__(self) -> None:
        points = importlib.metadata.entry_points()
        self.named = points.select(group=NAMED_GROUP)
        self.automatic = points.select(group=AUTOLOAD_GROUP)

    def names(self) -> set[str]:
        """The names of all built-in and installed plugins."""
        return {point.name for point in chain(self.named, self.automatic)}

    def find(self, name: str) -> importlib.metadata.EntryPoint:
        """Find the entry point *name*; a built-in before those of other distributions.

        :raises PluginError: none has this name, or those of several distributions do.
        """
        of_the_name = [point for point in chain(self.named, self.automatic) if point.name == name]
        found = {(distribution_of(point), point.value): point for point in of_the_name}
        candidates = self._built_in(name) or list(found.values())
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            places = " and ".join(sorted(distribution_of(point) for point in candidates))
            raise PluginError(f"plugin {name!r} is provided by {places}: uninstall one of them")
        raise PluginError(_unknown(name, sorted(self.names())))

    def refuse_reserved(self, found: importlib.metadata.EntryPoint) -> None:
        """Refuse a plugin that takes the name of a built-in one.

        :raises PluginError: it does.
        """
        if self._built_in(found.name):
            raise PluginError(f"plugin {found.name!r} of {distribution_of(found)} takes the name of a built-in plugin")

    def _built_in(self, name: str) -> list[importlib.metadata.EntryPoint]:
        """The built-in plugin *name*, if there is one."""
        points = (point for point in self.named if point.name == name)
        return [point for point in points if point.dist and _name_and_version(point.dist)[0] == OWN_DISTRIBUTION]


def installed_plugins() -> InstalledPlugins:
    """The installed plugins, read anew where a folder of ``sys.path`` changed since the last consumer was made."""
    return _read(tuple((folder, _changed_at(folder)) for folder in sys.path))


@lru_cache(maxsize=1)
def _read(_folders: tuple[tuple[str, int], ...]) -> InstalledPlugins:
    return InstalledPlugins()


def _changed_at(folder: str) -> int:
    """Tell when *folder* got or lost an entry, in nanoseconds, as the import system looks at it; 0 without one."""
    try:
        return os.stat(folder or os.curdir).st_mtime_ns
    except OSError:
        return 0


def distribution_of(point: importlib.metadata.EntryPoint) -> str:
    """Name the distribution that *point* comes from, with its version."""
    if point.dist is None:
        return "an unknown distribution"
    name, version = _name_and_version(point.dist)
    return f"{name} {version}" if version else f"{name}, of an unknown version"


@lru_cache(maxsize=100)
def _name_and_version(distribution: importlib.metadata.Distribution) -> tuple[str, str]:
    """Read both once: each reading takes the whole description of the project apart."""
    return distribution.name, distribution.version


def _unknown(name: str, known: Collection[str]) -> str:
    """Say that *name* is none of the plugins *known*, and how it is written right."""
    if name in NO_PLUGINS:
        return f"{name} is no plugin: {NO_PLUGINS[name]}"
    return f"there is no plugin {name!r}; installed are: {', '.join(known) or 'none'}{_meant(name, known)}"


def _meant(name: str, known: Collection[str]) -> str:
    """How *name* is written right: several plugins in one text, a plugin with its setting, or one of *known*."""
    several = [part.strip() for part in name.split(",")]
    if len(several) > 1 and set(several) <= set(known):
        return f"; {name!r} is {len(several)} plugins: give each by itself, {' and '.join(map(repr, several))}"
    if name.lower().startswith("no:"):
        return f"; a plugin is left out with 'no:' in small letters: {name.lower()!r}"
    plugin = name.partition("=")[0].strip()
    if "=" in name and plugin in known:
        return f"; {plugin!r} is one, and a setting of it has a name: {plugin}:SETTING=VALUE on a command line"
    return did_you_mean(name, known, PLUGINS_ELSEWHERE)
