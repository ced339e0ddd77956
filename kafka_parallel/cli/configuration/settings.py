"""One setting of one source, checked: its name, its value, and the place that messages name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from kafka_parallel._showing import shown
from kafka_parallel.cli.configuration.schema import kind_of
from kafka_parallel.cli.configuration.secrets import is_reference, refuse_plain, resolved
from kafka_parallel.cli.configuration.value_kinds import Kind, kind_of_value
from kafka_parallel.errors import ConfigurationError

__all__ = ()

# The tables whose values may be secret, so that no message shows them.
HIDDEN = frozenset({"consumer", "plugins"})


class Setting(NamedTuple):
    """A setting that was given.

    :ivar table: of the schema.
    :ivar name: in that table.
    :ivar value: as the library and the client take it.
    :ivar place: where it was given.
    """

    table: str
    name: str
    value: Any
    place: str


class ValuePlace(NamedTuple):
    """The place of a value.

    :ivar place: for messages.
    :ivar environment: where variables are looked up.
    :ivar folder: where relative paths begin.
    """

    place: str
    environment: Mapping[str, str]
    folder: Path


def of_file(table: str, name: str, value: Any, source: ValuePlace) -> Setting:
    """The setting of a *value* that has a type already.

    :raises ConfigurationError: there is no such setting, or it does not take this value.
    """
    try:
        kind = kind_of(table, name, value)
        if table == "consumer":
            refuse_plain(name, value)
            if is_reference(value):
                return _of_text(table, name, resolved(value, source.environment, source.folder), source.place)
        return Setting(table, name, _made(kind, name, _taken(kind, table, name, value)), source.place)
    except ValueError as error:
        raise ConfigurationError(f"{source.place}: {error}") from None


def of_text(table: str, name: str, text: str, place: str) -> Setting:
    """The setting of a *text*, whose type the schema tells.

    :raises ConfigurationError: as `of_file`.
    """
    try:
        return _of_text(table, name, text, place)
    except ValueError as error:
        raise ConfigurationError(f"{place}: {error}") from None


def _of_text(table: str, name: str, text: str, place: str) -> Setting:
    kind = kind_of(table, name)
    return Setting(table, name, _made(kind, name, _parsed(kind, table, name, text)), place)


def _taken(kind: Kind, table: str, name: str, value: Any) -> Any:
    if not kind.takes(value):
        raise ValueError(f"{name} is {_told(table, value)}: give {kind.words}")
    return value


def _told(table: str, value: object) -> str:
    kind = kind_of_value(value)
    return kind if table in HIDDEN or isinstance(value, (bool, list, dict)) else f"{kind}, {shown(value)}"


def _parsed(kind: Kind, table: str, name: str, text: str) -> Any:
    try:
        found = kind.from_text(text)
        if kind.takes(found):
            return found
    except ValueError:  # it may have the text in it, which may be secret
        pass
    what = "a text" if table in HIDDEN else shown(text)
    raise ValueError(f"{name} is {what}: give {kind.words}")


def _made(kind: Kind, name: str, value: Any) -> Any:
    try:
        return kind.made(value)
    except ValueError:
        raise ValueError(f"{name} is {kind_of_value(value)}: give {kind.words}") from None
