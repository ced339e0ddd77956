"""The plugins that a file and flags ask for, together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kafka_parallel.cli.configuration.run_config import PluginConfig
from kafka_parallel.cli.configuration.secrets import is_reference, refuse_plain, resolved
from kafka_parallel.cli.configuration.settings import ValuePlace
from kafka_parallel.errors import ConfigurationError

__all__ = ()


def plugin_config(name: str, settings: Mapping[str, Any], source: ValuePlace) -> PluginConfig:
    """The plugin *name*, its secrets looked up.

    :raises ConfigurationError: a secret is written down, or is not where it should be.
    """
    try:
        found = {setting: _value(setting, value, source) for setting, value in settings.items()}
    except ValueError as error:
        raise ConfigurationError(f"{source.place}: plugin {name!r}: {error}") from None
    return PluginConfig(name, found, source.place)


def _value(name: str, value: Any, source: ValuePlace) -> Any:
    if is_reference(value):
        return resolved(value, source.environment, source.folder)
    refuse_plain(name, value)
    if isinstance(value, dict):
        return {inner: _value(inner, found, source) for inner, found in value.items()}
    if isinstance(value, list):
        return [_value(name, found, source) for found in value]
    return value


def merged(lower: Iterable[PluginConfig], upper: Iterable[PluginConfig]) -> list[PluginConfig]:
    """The plugins of both, each once; a setting of *upper* counts before that of *lower*.

    :raises ConfigurationError: *lower* has one twice.
    """
    found: dict[str, PluginConfig] = {}
    for plugin in lower:
        if plugin.name in found:
            raise ConfigurationError(
                f"{plugin.place}: plugin {plugin.name!r} is asked for by {found[plugin.name].place} already: leave one "
                "of the two out"
            )
        found[plugin.name] = plugin
    for plugin in upper:
        before = found.get(plugin.name)
        settings = plugin.settings if before is None else {**before.settings, **plugin.settings}
        found[plugin.name] = PluginConfig(plugin.name, settings, plugin.place)
    return list(found.values())
