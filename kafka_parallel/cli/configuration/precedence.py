"""How the sources of a configuration are put together, and checked as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kafka_parallel._options import Options
from kafka_parallel.cli.configuration import flags as of_flags
from kafka_parallel.cli.configuration import plugin_settings, toml_file, variables
from kafka_parallel.cli.configuration.flags import Flags
from kafka_parallel.cli.configuration.run_config import PluginConfig, RunConfig
from kafka_parallel.cli.configuration.settings import Setting
from kafka_parallel.errors import ConfigurationError
from kafka_parallel.values import Batch

__all__ = ()


def load(flags: Flags, environment: Mapping[str, str], folder: Path) -> RunConfig:
    """Put together what the file, the *environment* and the *flags* say.

    :param environment: of the process.
    :param folder: the current one, in which the default file is looked for.
    :raises ConfigurationError: for a setting that does not exist, or does not take its value; names the place.
    """
    file, unread = toml_file.chosen(flags.files, folder)
    found = {} if file is None else toml_file.read(file)
    settings = [
        *([] if file is None else toml_file.settings(found, file, environment)),
        *variables.settings(environment),
        *of_flags.settings(flags),
    ]
    of_file = [] if file is None else list(toml_file.plugins(found, file, environment))
    wanted = list(of_flags.plugins(flags, environment))
    blocked = _blocked(of_file, wanted, of_flags.blocked(flags))
    plugins = plugin_settings.merged([plugin for plugin in of_file if not plugin.name.startswith("no:")], wanted)
    return _checked(settings, [plugin for plugin in plugins if plugin.name not in blocked], blocked, file, unread)


def _blocked(of_file: Iterable[PluginConfig], wanted: Iterable[PluginConfig], blocked: list[str]) -> tuple[str, ...]:
    """The names of the plugins that are left out, by flags and by ``no:NAME`` in a file.

    :param wanted: by flags, which count before the file.
    :param blocked: by flags.
    :raises ConfigurationError: flags want one of them, too; or one has settings.
    """
    names = {plugin.name for plugin in wanted}
    if both := [name for name in blocked if name in names]:
        raise ConfigurationError(f"-p {both[0]} and -p no:{both[0]} are both given: leave one of the two out")
    left_out = [plugin for plugin in of_file if plugin.name.startswith("no:")]
    for plugin in left_out:
        if plugin.settings:
            raise ConfigurationError(
                f"{plugin.place}: plugin {plugin.name!r}: a plugin that is left out takes no settings: leave out "
                f"{', '.join(plugin.settings)}"
            )
    in_file = [plugin.name.removeprefix("no:") for plugin in left_out]
    return tuple(dict.fromkeys([*blocked, *(name for name in in_file if name not in names)]))


def _checked(
    settings: Iterable[Setting],
    plugins: Iterable[PluginConfig],
    blocked: tuple[str, ...],
    file: Path | None,
    unread: Path | None,
) -> RunConfig:
    tables: dict[str, dict[str, Any]] = {"": {}, "consumer": {}, "parallel": {}, "batch": {}}
    places = {}
    for table, name, value, place in settings:
        tables[table][name] = value
        places[f"{table}.{name}".lstrip(".")] = place
    _try(Options, tables["parallel"], "parallel", places)
    _try(Batch, tables["batch"], "batch", places)
    return RunConfig(
        **tables[""], consumer=tables["consumer"], parallel=tables["parallel"], batch=tables["batch"] or None,
        plugins=tuple(plugins), blocked=blocked, places=places, file=None if file is None else str(file),
        unread=None if unread is None else str(unread),
    )  # fmt: skip


def _try(made: type, values: Mapping[str, Any], table: str, places: Mapping[str, str]) -> None:
    """Let *made* refuse each of the *values*.

    :raises ConfigurationError: it does; names the place.
    """
    for name, value in values.items():
        try:
            made(**{name: value})
        except ConfigurationError as error:
            raise ConfigurationError(f"{places[f'{table}.{name}']}: {error}") from None
