"""The handlers of trial runs: one plain, one ``async def``, and two that can be sent to other processes.

Each returns the same for the same record, so that a result that a plugin has changed can be told.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

__all__: list[str] = []

# The value of a record whose handler fails.
BAD = b"bad"


class BadRecordError(ValueError):
    """The error of a handler, for a record whose value is `BAD`."""


class Seen(NamedTuple):
    """One record as its handler got it."""

    partition: int
    offset: int
    key: Any
    value: Any
    headers: tuple[Any, ...]
    thread: str


def result_of(record: Any) -> tuple[str, int, int]:
    """The result of the handler for *record*.

    :raises BadRecordError: it is a bad one.
    """
    if record.value == BAD:
        raise BadRecordError(f"the record at offset {record.offset} is bad")
    return "handled", record.partition, record.offset


class Sent:
    """A handler for other processes: it notes the places of its records in a file.

    :param path: the file.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def plain(self, record: Any) -> tuple[str, int, int]:
        """Handle *record*."""
        with open(self._path, "a", encoding="ascii") as file:
            file.write(f"{record.partition} {record.offset}\n")
        return result_of(record)

    def batch(self, records: list[Any]) -> None:
        """Handle *records*."""
        for record in records:
            self.plain(record)

    def places(self) -> list[tuple[int, int]]:
        """The places so far: partition and offset."""
        lines = Path(self._path).read_text(encoding="ascii").splitlines()
        return [(int(partition), int(offset)) for partition, offset in map(str.split, lines)]


class Noting:
    """Makes handlers that note the records they get.

    :param act: is called with each record before its result is made.
    :ivar seen: the records, in the order in which they came.
    """

    def __init__(self, act: Callable[[Any], object] = lambda _: None) -> None:
        self._act = act
        self.seen: list[Seen] = []

    def note(self, record: Any) -> tuple[str, int, int]:
        """Note *record*, and return the result for it."""
        headers, thread = tuple(record.headers), threading.current_thread().name
        self.seen.append(Seen(record.partition, record.offset, record.key, record.value, headers, thread))
        self._act(record)
        return result_of(record)

    def plain(self, record: Any) -> tuple[str, int, int]:
        """Handle *record* on a thread."""
        return self.note(record)

    async def coroutine(self, record: Any) -> tuple[str, int, int]:
        """Handle *record* on an event loop."""
        await asyncio.sleep(0)
        return self.note(record)

    def batch(self, records: list[Any]) -> None:
        """Handle *records* on a thread."""
        for record in records:
            self.note(record)

    async def batch_coroutine(self, records: list[Any]) -> None:
        """Handle *records* on an event loop."""
        await asyncio.sleep(0)
        self.batch(records)
