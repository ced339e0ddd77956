"""How the plugin of an entry point is imported, and made with its settings.

No message has the value of a setting in it: it may be a password.
"""

from __future__ import annotations

import importlib.metadata
import inspect
from collections.abc import Mapping
from typing import Any

from kafka_parallel._plugins.installed import PLUGINS_ELSEWHERE
from kafka_parallel._showing import described, kind_of, shown
from kafka_parallel._suggestions import did_you_mean
from kafka_parallel.errors import ConfigurationError, KafkaParallelError, PluginError

# The choices without another distribution.
CHOICES = {
    "ordering": ("key", "partition", "unordered"),
    "executor": ("thread-pool", "asyncio", "process-pool", "futures"),
}


def pair(item: tuple[Any, ...]) -> tuple[str, Mapping[str, Any]]:
    """Return *item*, a plugin's name and its settings.

    :raises ConfigurationError: it is something else.
    """
    if len(item) == 2 and isinstance(item[1], Mapping):
        if isinstance(item[0], str):
            _refuse_block(item[0])
            return item[0], item[1]
        if may_be_plugin(item[0]):
            raise ConfigurationError(f"plugins: {_settings_outside(*item)}")
    kinds = ", ".join(kind_of(part) for part in item[:3])
    raise ConfigurationError(f"plugins: a tuple of {len(item)} ({kinds}) is no plugin; a pair is (name, {{settings}})")


def may_be_plugin(item: object) -> bool:
    """Tell whether *item* is an object that can have hooks."""
    return item is not None and not isinstance(item, (str, tuple, int, float, bytes, list, dict, set))


def _refuse_block(name: str) -> None:
    if name.strip().startswith("no:"):
        raise ConfigurationError(
            f"plugins: {name.strip()!r} leaves a plugin out, and one that is left out takes no settings: write the "
            f"text alone, plugins=[{name.strip()!r}]"
        )


def _settings_outside(plugin: object, settings: Mapping[Any, Any]) -> str:
    """Say where the *settings* of a *plugin* that is given as an object belong; no value is in it."""
    if not inspect.isclass(plugin):
        return f"{kind_of(plugin)} is given with settings, and an object has its own: give the object alone"
    call = f"{plugin.__name__}({', '.join(f'{name}=...' for name in settings)})"
    return (
        f"the class {plugin.__qualname__} is given with settings, and a (name, {{settings}}) pair is for a plugin by "
        f"its name: make the object, plugins=[{call}]"
    )


def what_was_meant(item: object, previous: object) -> str:
    """Name the correct form of *item*, which came after *previous*; no value of a setting is in it."""
    if isinstance(item, Mapping) and isinstance(previous, str):
        return f": settings go into one tuple with their plugin's name, in a list: plugins=[({previous!r}, {{...}})]"
    if isinstance(item, Mapping) and may_be_plugin(previous):
        return f": {_settings_outside(previous, item)}"
    if isinstance(item, Mapping) and item:
        pairs = ", ".join(f"({str(name)!r}, {{...}})" for name in item)
        return f": a plugin with settings is a tuple in a list: plugins=[{pairs}]"
    if isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) and not item[0].startswith("no:"):
        return f": a pair must be a tuple: ({item[0]!r}, {{...}})"
    return "; give a name, a (name, {settings}) pair, an object or a module"


def name_of(plugin: object) -> str:
    """Name a plugin that was given as an object: by its attribute ``plugin_name``, else by its class."""
    if isinstance(given := getattr(plugin, "plugin_name", None), str) and given:
        return given
    if inspect.ismodule(plugin) or inspect.isclass(plugin):
        return plugin.__name__
    return type(plugin).__name__


def unknown_choice(option: str, name: str) -> str:
    """Say that no plugin is called *name*, which was given as *option*, and list the choices."""
    known = CHOICES[option]
    if name.strip().startswith("no:"):
        block = f"plugins=[{shown(name.strip())}]"
        return f"{option}={shown(name)}: a plugin is left out with {block}; this option chooses one"
    others = "or the name of another plugin that provides one"
    listed = ", ".join(map(repr, known))
    if option == "ordering":
        others += ", or a function from a record to its ordering key"
    return (
        f"{option}={shown(name)}: there is no such {option} and no such plugin; give {listed}, {others}"
        f"{did_you_mean(name, known, PLUGINS_ELSEWHERE)}"
    )


def imported(point: importlib.metadata.EntryPoint, name: str, distribution: str) -> Any:
    """Import the object of *point*.

    :raises PluginError: it cannot be imported.
    """
    try:
        return point.load()
    except (Exception, SystemExit) as error:
        place = f"plugin {name!r} of {distribution} ({point.value})"
        raise PluginError(f"{place} cannot be imported: {described(error)}; fix or uninstall it") from error


def instance(loaded: Any, settings: Mapping[str, Any], who: str) -> Any:
    """Make the plugin of the loaded object: a class is called with the settings, anything else is taken as is.

    :raises ConfigurationError: it does not take these settings.
    :raises PluginError: it could not be made.
    """
    given = check_settings(loaded, settings, who)
    if not inspect.isclass(loaded):
        return loaded
    try:
        return loaded(**settings)
    except KafkaParallelError:
        raise
    except (Exception, SystemExit) as error:  # its text may have a setting in it, and is shown as the cause alone
        raise PluginError(f"{who} failed with a {type(error).__name__}, with the settings {given}") from error


def check_settings(loaded: Any, settings: Mapping[str, Any], who: str) -> str:
    """Check that the loaded object takes *settings*, without making a plugin of it; return their names.

    :raises ConfigurationError: it does not.
    """
    given = ", ".join(sorted(map(str, settings))) or "none"
    if not inspect.isclass(loaded):
        if settings:
            raise ConfigurationError(f"{who} takes no settings, but got {given}")
        return given
    signature = inspect.signature(loaded)
    try:
        signature.bind(**settings)
    except TypeError as error:
        raise ConfigurationError(_misfit(settings, signature, who, given, error)) from None
    return given


def _misfit(settings: Mapping[str, Any], signature: inspect.Signature, who: str, given: str, error: TypeError) -> str:
    """List the settings that *who* takes, with a suggestion for those it does not."""
    known = [name for name, found in signature.parameters.items() if found.kind is not inspect.Parameter.VAR_KEYWORD]
    wrong = [str(name) for name in settings if name not in known]
    if not wrong:
        return f"{who} does not take these settings ({given}): {error}"
    unknown = ", ".join(map(repr, wrong))
    return (
        f"{who} does not take these settings ({given}): it has no {unknown}; it has {', '.join(known) or 'none'}"
        f"{did_you_mean(wrong[0], known)}"
    )
