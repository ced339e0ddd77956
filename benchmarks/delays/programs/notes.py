"""When handlers began: each start of a timed record is appended to a file that the measuring process reads.

An append costs about 5 us, and the clock is the machine's monotonic one, which all processes share.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ENTRY = struct.Struct("<qqqq")

# A timed record's value holds its time of production. One of BULK takes its handler so long; one of STUCK, for ever.
TIMED, BULK, STUCK = b"timed", b"bulk", b"stuck"
BULK_SECONDS = 0.005


class Start(NamedTuple):
    """The start of one timed record's handler.

    :ivar at: when, in nanoseconds of the monotonic clock.
    :ivar produced: when the record was produced.
    :ivar cpu: processor time of the consumer's process until then, in nanoseconds.
    """

    at: int
    produced: int
    cpu: int
    partition: int

    @property
    def late(self) -> float:
        """From production to the handler, in seconds."""
        return (self.at - self.produced) / 1e9


def timed_value() -> bytes:
    """The value of a record that is produced now."""
    return b"%s %d" % (TIMED, time.monotonic_ns())


def read(path: Path) -> Iterator[Start]:
    """All starts so far, in order."""
    content = path.read_bytes()
    return map(Start._make, ENTRY.iter_unpack(content[: len(content) // ENTRY.size * ENTRY.size]))


class Notes:
    """The notes of one consumer; `take` may be called from several threads."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def take(self, record: Any) -> None:
        """Note that the handler of a timed *record* begins."""
        produced = int(record.value[len(TIMED) :])
        os.write(self._file, ENTRY.pack(time.monotonic_ns(), produced, time.process_time_ns(), record.partition))
