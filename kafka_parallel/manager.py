"""Which plugins a consumer has: found, blocked, loaded and checked, each on its own.

The order is: blocked names first, so that nothing of them is imported; then what is named (by argument, by environment,
by the ordering and the executor); then what is installed for autoload. A broken plugin that was named stops the start;
one that was only installed is reported and left out. Built-in names cannot be taken by another distribution.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pluggy

from kafka_parallel import hookspecs
from kafka_parallel.errors import ConfigurationError, PluginError

log = logging.getLogger(__name__)

NAMED_GROUP = "kafka_parallel"
AUTOLOAD_GROUP = "kafka_parallel.autoload"
PLUGINS_VARIABLE = "KAFKA_PARALLEL_PLUGINS"
NO_AUTOLOAD_VARIABLE = "KAFKA_PARALLEL_DISABLE_PLUGIN_AUTOLOAD"
OWN_DISTRIBUTION = "kafka-parallel"


class HookFinder(pluggy.PluginManager):
    """Finds hooks among the names of a plugin that can be one: the many others would take most of the time."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        """Return how *name* of *plugin* is marked; ``None`` if it is no hook."""
        return None if name.startswith("_") else super().parse_hookimpl_opts(plugin, name)


class Plugins:
    """The plugins of one consumer.

    :param wanted: names, ``(name, settings)`` pairs, objects and modules; ``"no:name"`` blocks a name.
    :param environment: where the two variables are looked up.
    :param also: names to load unless something of that name is loaded already.
    :raises ConfigurationError: for an item that is none of these.
    :raises PluginError: for a named plugin that is missing, broken or without hooks.
    """

    def __init__(self, wanted: Sequence[object], environment: Mapping[str, str], also: Iterable[str] = ()) -> None:
        self._pm = HookFinder(hookspecs.PROJECT)
        self._pm.add_hookspecs(hookspecs)
        self._distributions: dict[str, str] = {}
        items = [*wanted, *(name for name in environment.get(PLUGINS_VARIABLE, "").split(",") if name.strip())]
        blocked = [item for item in items if isinstance(item, str) and item.strip().startswith("no:")]
        for item in blocked:
            self._pm.set_blocked(item.strip()[3:])
        self._load_all([item for item in items if item not in blocked], also)
        if not environment.get(NO_AUTOLOAD_VARIABLE):
            self._autoload()
        self._check()

    @property
    def hook(self) -> Any:
        """The hooks, as pluggy calls them."""
        return self._pm.hook

    def names(self) -> list[str]:
        """The names of the active plugins, in order of loading."""
        return [name for name, plugin in self._pm.list_name_plugin() if plugin is not None]

    def describe(self, name: str) -> str:
        """Name a plugin and where it comes from."""
        return f"plugin {name!r} ({self._distributions.get(name, 'given as an object')})"

    def provided(self, hook: pluggy.HookCaller, settings: object, default: str | None = None) -> tuple[str, Any] | None:
        """Ask a provide-hook; return who answered and what. The plugin *default* is loaded if nobody answers.

        :raises PluginError: if two plugins answer, naming both, or if one raises.
        """
        answers = []
        for impl in hook.get_hookimpls():
            try:
                answer = impl.function(*([settings] if impl.argnames else []))
            except Exception as error:
                raise PluginError(f"{self.describe(impl.plugin_name)} failed in {hook.name}: {error!r}") from error
            if answer is not None:
                answers.append((impl.plugin_name, answer))
        if len(answers) > 1:
            names = " and ".join(self.describe(name) for name, _ in answers)
            raise PluginError(f"{names} both answer {hook.name}: only one may; leave one of them out")
        if not answers and default is not None:
            self.load(default)
            return self.provided(hook, settings)
        return answers[0] if answers else None

    def load(self, name: str) -> None:
        """Load the plugin *name* without settings.

        :raises PluginError: if it is missing, blocked, broken or without hooks.
        """
        self._load_named(name, {})

    # Loading

    def _load_all(self, items: Sequence[object], also: Iterable[str]) -> None:
        for item in items:
            self._load(item)
        for name in also:
            if name not in self.names():
                self._load_named(name, {})

    def _load(self, item: object) -> None:
        if isinstance(item, str):
            self._load_named(item.strip(), {})
        elif isinstance(item, tuple):
            name, settings = _pair(item)
            self._load_named(name, settings)
        elif item is None or isinstance(item, (int, float, bytes, list, dict, set)):
            raise ConfigurationError(
                f"plugins: {item!r} is no plugin; give a name, a (name, {{settings}}) pair, an object or a module"
            )
        else:
            self._register(_instance(item, {}, repr(item)), _name_of(item), "given as an object")

    def _load_named(self, name: str, settings: Mapping[str, Any]) -> None:
        if self._pm.is_blocked(name):
            raise PluginError(f"plugin {name!r} is named and blocked by 'no:{name}': leave one of the two out")
        found = _find(name)
        distribution = _distribution(found)
        loaded = _import(found, name, distribution)
        plugin = _instance(loaded, settings, f"plugin {name!r} of {distribution}")
        self._register(plugin, name, distribution)

    def _autoload(self) -> None:
        for found in importlib.metadata.entry_points(group=AUTOLOAD_GROUP):
            if self._pm.is_blocked(found.name) or found.name in self.names():
                continue
            try:
                self._refuse_reserved(found)
                distribution = _distribution(found)
                loaded = _import(found, found.name, distribution)
                self._register(_instance(loaded, {}, f"plugin {found.name!r}"), found.name, distribution)
            except (PluginError, ConfigurationError) as error:
                log.warning("%s; it was installed for autoload and is left out: nothing it does will happen", error)

    @staticmethod
    def _refuse_reserved(found: importlib.metadata.EntryPoint) -> None:
        reserved = {point.name for point in _own_entry_points()}
        if found.name in reserved:
            raise PluginError(f"plugin {found.name!r} of {_distribution(found)} takes the name of a built-in plugin")

    def _register(self, plugin: object, name: str, distribution: str) -> None:
        if name in self.names():
            raise PluginError(f"plugin {name!r} is given twice: leave one of the two out")
        try:
            self._pm.register(plugin, name)
        except (pluggy.PluginValidationError, ValueError) as error:
            raise PluginError(f"plugin {name!r} ({distribution}) does not fit the hooks: {error}") from error
        self._distributions[name] = distribution
        if not self._pm.get_hookcallers(plugin):
            self._pm.unregister(plugin)
            raise PluginError(
                f"plugin {name!r} ({distribution}) has no hook: decorate its functions with @hookimpl "
                f"(known hooks: {', '.join(sorted(vars(self._pm.hook)))})"
            )

    def _check(self) -> None:
        try:
            self._pm.check_pending()
        except pluggy.PluginValidationError as error:
            name = self._pm.get_name(error.plugin) or repr(error.plugin)
            raise PluginError(
                f"{self.describe(name)} implements a hook that does not exist: {error}; "
                f"known hooks: {', '.join(sorted(hook for hook in vars(self._pm.hook) if not hook.startswith('_')))}"
            ) from error


def _pair(item: tuple[Any, ...]) -> tuple[str, Mapping[str, Any]]:
    if len(item) == 2 and isinstance(item[0], str) and isinstance(item[1], Mapping):
        return item[0], item[1]
    raise ConfigurationError(f"plugins: {item!r} is no plugin; a pair must be (name, {{settings}})")


def _name_of(plugin: object) -> str:
    if inspect.ismodule(plugin) or inspect.isclass(plugin):
        return plugin.__name__
    return type(plugin).__name__


def _own_entry_points() -> list[importlib.metadata.EntryPoint]:
    points = importlib.metadata.entry_points(group=NAMED_GROUP)
    return [point for point in points if point.dist is not None and point.dist.name == OWN_DISTRIBUTION]


def _find(name: str) -> importlib.metadata.EntryPoint:
    """Find the entry point *name*; a built-in before anyone else's."""
    named = importlib.metadata.entry_points(group=NAMED_GROUP)
    automatic = importlib.metadata.entry_points(group=AUTOLOAD_GROUP)
    found = {(_distribution(point), point.value): point for point in (*named, *automatic) if point.name == name}
    own = [point for point in _own_entry_points() if point.name == name]
    candidates = own or list(found.values())
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        places = " and ".join(sorted(_distribution(point) for point in candidates))
        raise PluginError(f"plugin {name!r} is provided by {places}: uninstall one of them")
    known = ", ".join(sorted({point.name for point in (*named, *automatic)})) or "none"
    raise PluginError(f"there is no plugin {name!r}; installed are: {known}")


def _distribution(point: importlib.metadata.EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "an unknown distribution"


def _import(point: importlib.metadata.EntryPoint, name: str, distribution: str) -> Any:
    try:
        return point.load()
    except Exception as error:
        place = f"plugin {name!r} of {distribution} ({point.value})"
        raise PluginError(f"{place} cannot be imported: {error!r}; fix or uninstall it") from error


def _instance(loaded: Any, settings: Mapping[str, Any], who: str) -> Any:
    """Make the plugin of what was loaded: a class is called with the settings, anything else is taken as is."""
    if not inspect.isclass(loaded):
        if settings:
            raise ConfigurationError(f"{who} takes no settings, but got {', '.join(sorted(settings))}")
        return loaded
    try:
        inspect.signature(loaded).bind(**settings)
    except TypeError as error:
        given = ", ".join(sorted(settings)) or "none"
        raise ConfigurationError(f"{who} does not take these settings ({given}): {error}") from error
    return loaded(**settings)
