"""How one header value is read: bounded, and never with an exception.

Any producer of a topic can choose these bytes. So every reader knows the lengths and the range it accepts and answers
``None`` to the rest. None of them makes anything larger than its input, whatever the bytes claim. (The risks otherwise:
CVE-2026-41727, a forged number of attempts; CVE-2026-59317, an empty timestamp.)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

Reader: TypeAlias = "Callable[[bytes], str | int | None]"

MOST_ATTEMPTS = 2**15 - 1
MOST_PARTITIONS = 2**31 - 1
MOST_OFFSETS = 2**63 - 1
# The longest number in decimal that is looked at; int() of more digits takes quadratic time.
LONGEST_DECIMAL = 20

_TOPIC = re.compile(rb"[a-zA-Z0-9._-]{1,249}")
_DECIMAL = re.compile(rb"-?[0-9]{1,%d}" % LONGEST_DECIMAL)


def text(data: bytes) -> str:
    """Read UTF-8; other bytes are left out."""
    return data.decode("utf-8", "ignore")


def topic(data: bytes) -> str | None:
    """Read the name of a topic."""
    return data.decode("ascii") if _TOPIC.fullmatch(data) else None


def decimal(data: bytes) -> int | None:
    """Read a number in decimal digits."""
    return int(data) if _DECIMAL.fullmatch(data) else None


def big_endian(*widths: int) -> Callable[[bytes], int | None]:
    """Make a reader of two's complement in exactly one of so many bytes, as Java's ``ByteBuffer`` writes it."""
    return lambda data: int.from_bytes(data, "big", signed=True) if len(data) in widths else None


def decimal_or(reader: Callable[[bytes], int | None]) -> Callable[[bytes], int | None]:
    """Make a reader of a name that some write in decimal and some in binary: digits are taken for digits."""
    return lambda data: decimal(data) if _DECIMAL.fullmatch(data) else reader(data)


def within(reader: Callable[[bytes], int | None], most: int) -> Callable[[bytes], int | None]:
    """Make a reader that answers ``None`` to numbers below 0 or above *most*."""

    def read(data: bytes) -> int | None:
        number = reader(data)
        return number if number is not None and 0 <= number <= most else None

    return read


def clamped(reader: Callable[[bytes], int | None], most: int = MOST_ATTEMPTS) -> Callable[[bytes], int | None]:
    """Make a reader that takes numbers below 1 for 1 and numbers above *most* for *most*."""

    def read(data: bytes) -> int | None:
        number = reader(data)
        return None if number is None else min(max(number, 1), most)

    return read
