"""The plugins of a consumer: found, blocked, loaded and checked, each on its own.

The order is: blocked names first, so that nothing of them is imported; then named plugins (by argument, by environment,
by the ordering and the executor); then those installed for autoload. A broken plugin that was named stops the start;
one that was only installed is reported and left out. Built-in names cannot be taken by another distribution.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import pluggy

from kafka_parallel import hookspecs
from kafka_parallel._logs import area_logger
from kafka_parallel._plugins.implementations import function_of, mark_of, problem_of, raw_attribute, refuse_unfinished
from kafka_parallel._plugins.installed import distribution_of, installed_plugins
from kafka_parallel._plugins.loading import (
    imported,
    instance,
    may_be_plugin,
    name_of,
    pair,
    unknown_choice,
    what_was_meant,
)
from kafka_parallel._showing import described, kind_of
from kafka_parallel._suggestions import did_you_mean
from kafka_parallel.errors import ConfigurationError, PluginError

log = area_logger("plugins")

PLUGINS_VARIABLE = "KAFKA_PARALLEL_PLUGINS"
NO_AUTOLOAD_VARIABLE = "KAFKA_PARALLEL_DISABLE_PLUGIN_AUTOLOAD"
# The origin of a plugin that was not found by its name.
GIVEN = "given as an object"
# The name of a handler that is a plugin, too.
HANDLER = "handler"
HOOKS = {
    name: tuple(inspect.signature(hook).parameters)
    for name, hook in vars(hookspecs).items()
    if name.startswith(("on_", "provide_"))
}


class HookFinder(pluggy.PluginManager):
    """Finds the functions of a plugin that are marked as hooks, and refuses those that could only be half called."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        """Return how *name* of *plugin* is marked; ``None`` if it is no hook.

        :raises pluggy.PluginValidationError: its shape is none that a hook can be called in.
        """
        mark: pluggy.HookimplOpts | None = mark_of(raw_attribute(plugin, name))
        if mark is None:
            return None
        if (hook := mark.get("specname") or name) in HOOKS:
            is_wrapper = bool(mark.get("wrapper") or mark.get("hookwrapper"))
            if problem := problem_of(hook, getattr(plugin, name), HOOKS[hook], is_wrapper=is_wrapper):
                raise pluggy.PluginValidationError(plugin, f"{hook} {problem}")
        return super().parse_hookimpl_opts(plugin, name) or mark


def named_by(environment: Mapping[str, str]) -> list[str]:
    """The names that the variable of *environment* wants in every consumer, and those that it blocks, with ``no:``."""
    return [name.strip() for name in environment.get(PLUGINS_VARIABLE, "").split(",") if name.strip()]


def blocked_by(item: object) -> str | None:
    """The name of the plugin that *item* blocks; ``None`` if it blocks none."""
    is_block = isinstance(item, str) and item.strip().startswith("no:")
    return str(item).strip().removeprefix("no:").strip() if is_block else None


class Plugins:
    """The plugins of one consumer.

    :param wanted: names, ``(name, settings)`` pairs, objects and modules; ``"no:name"`` blocks a name.
    :param environment: where the two variables are looked up.
    :param chosen: by the name of an option, the plugin that it chose, to be loaded unless it is there already; with
        settings it must not be there.
    :raises ConfigurationError: for an item that is none of these, or a chosen name that does not exist.
    :raises PluginError: for a named plugin that is missing, broken or without hooks.
    """

    def __init__(
        self,
        wanted: Sequence[object],
        environment: Mapping[str, str],
        chosen: Mapping[str, str | tuple[str, Mapping[str, Any]] | None] | None = None,
    ) -> None:
        self._pm = HookFinder(hookspecs.PROJECT)
        self._pm.add_hookspecs(hookspecs)
        self._installed = installed_plugins()
        self._distributions: dict[str, str] = {}
        self._defaults: set[str] = set()
        everywhere = named_by(environment)
        for item in [*wanted, *everywhere]:
            if (blocked := blocked_by(item)) is not None:
                self._block(blocked)
        self._load_all([item for item in wanted if blocked_by(item) is None])
        for name in everywhere:
            if blocked_by(name) is None:
                self._load_from_environment(name)
        for option, choice in (chosen or {}).items():
            if isinstance(choice, tuple):
                self._load_chosen(option, *choice)
            elif choice is not None and choice not in self.names():
                self._load_chosen(option, choice, {})
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

    def objects(self) -> list[tuple[str, object]]:
        """The active plugins with their names, in order of loading."""
        return [(name, self._pm.get_plugin(name)) for name in self.names()]

    def describe(self, name: str) -> str:
        """Name a plugin and where it comes from."""
        return f"plugin {name!r} ({self._distributions.get(name, GIVEN)})"

    def provided(self, hook: pluggy.HookCaller, settings: object, default: str | None = None) -> tuple[str, Any] | None:
        """Ask a provide-hook; return a plugin's name and answer. Without an answer, *default* is loaded.

        :raises PluginError: if two plugins answer, naming both, or if one raises.
        """
        answers = self.all_provided(hook, settings)
        if len(answers) > 1:
            names = " and ".join(self.describe(name) for name, _ in answers)
            raise PluginError(f"{names} both answer {hook.name}: only one may; leave one of them out")
        if not answers and default is not None:
            self.load(default)
            return self.provided(hook, settings)
        return answers[0] if answers else None

    def all_provided(self, hook: pluggy.HookCaller, settings: object) -> list[tuple[str, Any]]:
        """Ask a provide-hook; return each answer with its plugin's name, in the order of loading.

        :raises PluginError: if one raises.
        """
        answers = []
        for impl in hook.get_hookimpls():
            try:
                answer = function_of(impl, ("settings",))(settings)
            except ConfigurationError:  # the caller's fault, and it says so
                raise
            except Exception as error:
                who = self.describe(impl.plugin_name)
                raise PluginError(f"{who} failed in {hook.name}: {described(error)}") from error
            refuse_unfinished(hook.name, impl.plugin_name, answer)
            if answer is not None:
                answers.append((impl.plugin_name, answer))
        return answers

    def implementing(self, hook: str) -> list[str]:
        """The names of the plugins that implement *hook*."""
        return [impl.plugin_name for impl in getattr(self._pm.hook, hook).get_hookimpls()]

    def declares(self, name: str, attribute: str) -> bool:
        """Tell whether the plugin *name* says so of itself, by an *attribute* that is true."""
        return raw_attribute(self._pm.get_plugin(name), attribute) is True

    def declaring(self, attribute: str) -> list[tuple[str, object]]:
        """The plugins that say so of themselves, by an *attribute* that is true, each with its name."""
        return [(name, self._pm.get_plugin(name)) for name in self.names() if self.declares(name, attribute)]

    def is_named(self, name: str) -> bool:
        """Tell whether that plugin was found by its name, rather than given as an object."""
        return self._distributions.get(name, GIVEN) != GIVEN

    def load(self, name: str) -> None:
        """Load the plugin *name* without settings, as a default.

        :raises PluginError: if it is missing, blocked, broken or without hooks.
        """
        self._load_named(name, {})
        self._defaults.add(name)

    def is_default(self, name: str) -> bool:
        """Tell whether the plugin *name* is there because no other plugin answered a hook."""
        return name in self._defaults

    def is_blocked(self, name: str) -> bool:
        """Tell whether ``"no:..."`` keeps the plugin *name* out."""
        return self._pm.is_blocked(name)

    def add_for_run(self, name: str, plugin: object) -> None:
        """Add a plugin that a run brings along.

        :raises PluginError: one of that name is there.
        """
        self._register(plugin, name, GIVEN)

    def remove_for_run(self, name: str) -> None:
        """Take such a plugin out, if it is there."""
        if self._distributions.get(name) == GIVEN and (plugin := self._pm.get_plugin(name)) is not None:
            self._pm.unregister(plugin)
            del self._distributions[name]

    # see docs/decisions/0091-handler-with-hooks.md
    def hear_handler(self, handler: object) -> None:
        """Let a *handler* with hooks be a plugin of its run, unless it is one already."""
        self.remove_for_run(HANDLER)
        if any(mark_of(raw_attribute(handler, hook)) is not None for hook in HOOKS) and not self._pm.is_registered(
            handler
        ):
            self.add_for_run(HANDLER, handler)

    # Loading

    def _block(self, name: str) -> None:
        self._pm.set_blocked(name)
        if name not in (known := self._installed.names()):
            log.warning("'no:%s' blocks nothing: there is no plugin %r%s", name, name, did_you_mean(name, known))

    def _load_all(self, items: Sequence[object]) -> None:
        previous: object = None
        for item in items:
            self._load(item, previous)
            previous = item

    def _load_from_environment(self, name: str) -> None:
        """Load *name*, which the variable wants in every consumer; one that has it already keeps its own."""
        if name in self.names():
            return
        try:
            self._load_named(name, {})
        except (PluginError, ConfigurationError) as error:
            raise type(error)(f"{PLUGINS_VARIABLE} in the environment names {name!r}: {error}") from error

    def _load_chosen(self, option: str, name: str, settings: Mapping[str, Any]) -> None:
        if name not in self._installed.names():
            raise ConfigurationError(unknown_choice(option, name))
        self._load_named(name, settings)

    def _load(self, item: object, previous: object) -> None:
        if isinstance(item, str):
            self._load_named(item.strip(), {})
        elif isinstance(item, tuple):
            name, settings = pair(item)
            self._load_named(name, settings)
        elif not may_be_plugin(item):
            raise ConfigurationError(f"plugins: {kind_of(item)} is no plugin{what_was_meant(item, previous)}")
        else:
            who = f"the class {item.__qualname__}" if inspect.isclass(item) else kind_of(item)
            self._register(instance(item, {}, who), name_of(item), GIVEN)

    def _load_named(self, name: str, settings: Mapping[str, Any]) -> None:
        if self._pm.is_blocked(name):
            raise PluginError(f"plugin {name!r} is named and blocked by 'no:{name}': leave one of the two out")
        found = self._installed.find(name)
        distribution = distribution_of(found)
        loaded = imported(found, name, distribution)
        plugin = instance(loaded, settings, f"plugin {name!r} of {distribution}")
        self._register(plugin, name, distribution)

    def _autoload(self) -> None:
        for found in self._installed.automatic:
            if self._pm.is_blocked(found.name) or found.name in self.names():
                continue
            try:
                self._installed.refuse_reserved(found)
                distribution = distribution_of(found)
                loaded = imported(found, found.name, distribution)
                self._register(instance(loaded, {}, f"plugin {found.name!r}"), found.name, distribution)
            except (PluginError, ConfigurationError) as error:
                log.warning("%s; the consumer runs without this plugin, which was installed for autoload", error)

    def _register(self, plugin: object, name: str, distribution: str) -> None:
        if name in self.names():
            raise PluginError(f"plugin {name!r} is given twice: leave one of the two out")
        try:
            self._pm.register(plugin, name)
        except (pluggy.PluginValidationError, ValueError) as error:
            raise PluginError(f"plugin {name!r} ({distribution}) does not fit the hooks: {error}") from error
        self._distributions[name] = distribution
        self._say_what_is_not_heard(plugin, name)
        if not self._pm.get_hookcallers(plugin):
            self._pm.unregister(plugin)
            raise PluginError(
                f"plugin {name!r} ({distribution}) has no hook: decorate its functions with @hookimpl "
                f"(known hooks: {', '.join(sorted(vars(self._pm.hook)))})"
            )

    def _say_what_is_not_heard(self, plugin: object, name: str) -> None:
        """Warn of functions that are called as hooks are and not marked: they are never called."""
        for hook in HOOKS:
            raw = raw_attribute(plugin, hook)
            if raw is not None and mark_of(raw) is None and callable(getattr(raw, "__func__", raw)):
                log.warning("%s has a function %s that is not marked: it is never called; put @hookimpl of "
                            "kafka_parallel above it", self.describe(name), hook)  # fmt: skip

    def _check(self) -> None:
        """Refuse implementations of hooks that do not exist."""
        for hook, caller in vars(self._pm.hook).items():
            if hook in HOOKS or hook.startswith("_"):
                continue
            for impl in caller.get_hookimpls():
                if not impl.optionalhook:
                    raise PluginError(
                        f"{self.describe(impl.plugin_name)} implements a hook that does not exist: {hook}; "
                        f"known hooks: {', '.join(sorted(HOOKS))}{did_you_mean(hook, HOOKS)}"
                    )
