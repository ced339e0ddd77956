"""The bytes of a record as people and programs read them: text or JSON where they are that, and always in hexadecimal.

A producer of the topic chose these bytes. So nothing that only looks like JSON gets into the output as JSON: numbers
that are none there (``NaN``, ``1e999``), and structures too deep to be written again, stay text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, NoReturn

from kafka_parallel.cli.output import printable

__all__ = ()


def as_object(data: bytes | None) -> dict[str, Any] | None:
    """The *data* as an object for JSON: ``hex`` always, ``text`` if it is UTF-8, ``json`` if that is JSON.

    ``None`` stays so: a tombstone is no empty value.
    """
    if data is None:
        return None
    found: dict[str, Any] = {"hex": data.hex()}
    try:
        found["text"] = data.decode()
        found["json"] = parsed(found["text"])
    except ValueError:  # it is not UTF-8, or not JSON
        pass
    return found


def headers_as_objects(headers: Iterable[tuple[str, bytes | None]]) -> list[dict[str, Any]]:
    """The *headers* in their order, each with its name and its value as `as_object` has it."""
    return [{"name": name, "value": as_object(value)} for name, value in headers]


def parsed(text: str) -> Any:
    """Read JSON that can be written as JSON again.

    :raises ValueError: *text* is none.
    """
    try:
        found = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        json.dumps(found)
    except RecursionError:
        raise ValueError("too deep to be written again") from None
    return found


def readable(data: bytes, most: int) -> str:
    """The *data* in *most* characters for a terminal: its text if it is UTF-8, else in hexadecimal."""
    try:
        return printable(data.decode(), most)
    except UnicodeDecodeError:
        return printable(f"hex {data.hex()}", most)


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(digits: str) -> float:
    found = float(digits)
    if not math.isfinite(found):
        raise ValueError(digits)
    return found
