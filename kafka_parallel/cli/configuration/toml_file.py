"""The settings of a TOML file, and which file is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kafka_parallel.cli.configuration import toml_text
from kafka_parallel.cli.configuration.plugin_settings import plugin_config
from kafka_parallel.cli.configuration.run_config import PluginConfig
from kafka_parallel.cli.configuration.schema import PLUGINS, TOP, tables
from kafka_parallel.cli.configuration.settings import Setting, ValuePlace, of_file
from kafka_parallel.cli.configuration.value_kinds import kind_of_value
from kafka_parallel.errors import ConfigurationError

__all__ = ()

DEFAULT_FILE = "kafka-parallel.toml"


def chosen(named: Sequence[Path], folder: Path) -> tuple[Path | None, Path | None]:
    """The file to read, and one that is not read although it lies where it would be.

    :param named: by flags.
    :param folder: the current one.
    :raises ConfigurationError: several are named.
    """
    if len(named) > 1:
        paths = " and ".join(map(str, named))
        raise ConfigurationError(
            f"--config is given {len(named)} times, {paths}: one file is read; leave the others out"
        )
    default = folder / DEFAULT_FILE
    if not named:
        return (default if default.is_file() else None), None
    is_other = default.is_file() and not (named[0].is_file() and default.samefile(named[0]))
    return named[0], default if is_other else None


def read(path: Path) -> dict[str, Any]:
    """The tables of the file at *path*.

    :raises ConfigurationError: it cannot be read, or is no TOML.
    """
    try:
        return toml_text.parsed(path.read_text("utf-8-sig"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not text in UTF-8") from None
    except ValueError as error:
        raise ConfigurationError(f"{path} is no TOML: {error}") from None


def settings(found: Mapping[str, Any], path: Path, environment: Mapping[str, str]) -> Iterator[Setting]:
    """The settings of the tables *found* in the file at *path*; those of plugins are `plugins`.

    :raises ConfigurationError: for one that is none, or does not take its value.
    """
    for name, value in found.items():
        if name in tables() and isinstance(value, dict):
            source = ValuePlace(f"[{name}] of {path}", environment, path.parent)
            for setting, inner in value.items():
                yield of_file(name, setting, inner, source)
        elif name in tables():
            raise ConfigurationError(f"{path}: {name} is {kind_of_value(value)}: write a table, [{name}]")
        elif name != PLUGINS:
            yield of_file(TOP, name, value, ValuePlace(str(path), environment, path.parent))


def plugins(found: Mapping[str, Any], path: Path, environment: Mapping[str, str]) -> Iterator[PluginConfig]:
    """The plugins of the tables *found* in the file at *path*.

    :raises ConfigurationError: for a table that names none, or has a setting that cannot be.
    """
    listed = found.get(PLUGINS, [])
    if not isinstance(listed, list):
        raise ConfigurationError(f"{path}: {PLUGINS} is {kind_of_value(listed)}: write a table [[plugins]] for each")
    for number, table in enumerate(listed, 1):
        place = f"[[plugins]] {number} of {path}"
        if isinstance(table, str):
            table = {"name": table}  # noqa: PLW2901 - plugins = ["retry"] is a list of them, too
        if not isinstance(table, dict) or not isinstance(table.get("name"), str):
            raise ConfigurationError(f'{place} has no name: write name = "dlq", and its settings below')
        settings = {name: value for name, value in table.items() if name != "name"}
        yield plugin_config(table["name"], settings, ValuePlace(place, environment, path.parent))
