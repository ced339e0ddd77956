"""The values that a setting takes, in a file and as the text of a flag or a variable."""

from __future__ import annotations

import datetime as dt
import signal
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ()

TRUE, FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})


class Kind(NamedTuple):
    """A kind of values.

    :ivar words: names it in a message, after "give".
    :ivar takes: tells whether a value of a file is one.
    :ivar from_text: makes one of a text.
    :ivar made: makes of it what the library and the client take.
    :raises ValueError: by `from_text` and `made`, if it is none.
    """

    words: str
    takes: Callable[[Any], bool]
    from_text: Callable[[str], Any]
    made: Callable[[Any], Any] = lambda value: value


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_name(value: object) -> bool:
    """Tell whether *value* names something: the text of a variable that is not set names nothing."""
    return isinstance(value, str) and bool(value.strip())


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_name, value))


def _one_of(*names: str) -> Kind:
    """A kind of texts of which there are few: the client takes a misspelt one in silence, or says it late."""
    return Kind(f"one of {', '.join(names)}", lambda value: value in names, lambda text: text)


def _is_object(value: object) -> bool:
    return isinstance(value, str) and is_reference(value)


def is_reference(text: str) -> bool:
    """Tell whether *text* is ``module:name``."""
    module, colon, name = text.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), *name.split(".")))


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _flag(text: str) -> bool:
    if text.lower() in TRUE | FALSE:
        return text.lower() in TRUE
    raise ValueError(text)


def _texts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _object(text: str) -> str:
    if not is_reference(text):
        raise ValueError(text)
    return text


def _scalar(text: str) -> Any:
    for parse in (_number, _flag):
        try:
            return parse(text)
        except ValueError:
            continue
    return text


def _signal(text: str) -> int:
    try:
        return int(signal.Signals[text])
    except KeyError:
        raise ValueError(text) from None


def _version(value: str | list[int]) -> tuple[int, ...]:
    return tuple(map(int, value.split("."))) if isinstance(value, str) else tuple(value)


WHOLE = Kind("a whole number", _is_whole, int)
NUMBER = Kind("a number", _is_number, _number)
FLAG = Kind("true or false", lambda value: isinstance(value, bool), _flag)
TEXT = Kind("a text", _is_text, lambda text: text)
TEXTS = Kind("a list of texts", _are_texts, _texts, tuple)
# kafka-python 3.x takes any text, and connects without TLS and without a password if it knows none of these.
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
PROTOCOL = _one_of(*PROTOCOLS)
RESET = _one_of("earliest", "latest", "none")
ISOLATION = _one_of("read_uncommitted", "read_committed")
NAME = Kind("a name that is not empty", _is_name, lambda text: text)
TOPICS = Kind("a list of names of topics", _are_names, _texts, tuple)
SERVERS = Kind(
    '"host:port", or a list of these', lambda value: _is_name(value) or (value != [] and _are_names(value)), _texts
)
OBJECT = Kind('"module:name" of an object to import', _is_object, _object)
OBJECTS = Kind(
    'a list of objects to import, each written "module:name"',
    lambda value: _are_texts(value) and all(map(is_reference, value)),
    lambda text: list(map(_object, _texts(text))),
)
SIGNAL = Kind('the name of a signal, such as "SIGUSR1"', _is_text, str, _signal)
VERSION = Kind(
    'a version, such as "2.8.0"',
    lambda value: _is_text(value) or (isinstance(value, list) and all(map(_is_whole, value))),
    str,
    _version,
)
LOG_FORMAT = Kind('"text" or "json"', lambda value: value in ("text", "json"), str)
SCALAR = Kind("a text, a number, true or false", lambda value: _is_number(value) or _is_text(value), _scalar)


def kind_of_value(value: object) -> str:
    """Name the kind of a *value* of a file, never the value."""
    kinds: list[tuple[Any, str]] = [
        (bool, "true or false"), (int, "a whole number"), (float, "a number with a fraction"), (str, "a text"),
        (list, "a list"), (dict, "a table"), ((dt.date, dt.time), "a date or time"),
    ]  # fmt: skip
    return next((words for kind, words in kinds if isinstance(value, kind)), type(value).__name__)
