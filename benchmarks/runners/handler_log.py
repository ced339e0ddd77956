"""The acts of handlers in several processes: each appends a line of fixed size to one file.

An append with ``O_APPEND`` is atomic, costs about 5 us and needs no lock between the processes. The clock is the
machine's monotonic one, which all processes share.
"""

from __future__ import annotations

import os
import struct
import time
from functools import cache
from pathlib import Path

from benchmarks.runners.handlers import compute, number_of

VARIABLE = "KAFKA_PARALLEL_BENCH_LOG"
_ENTRY = struct.Struct("<Qdd")


@cache
def _descriptor() -> int:
    return os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def compute_and_log(value: bytes) -> None:
    """Compute, and write down when; found by child processes under its import path."""
    began = time.monotonic()
    compute(value)
    os.write(_descriptor(), _ENTRY.pack(number_of(value), began, time.monotonic()))


def count(path: Path) -> int:
    """How many handlers have ended."""
    return path.stat().st_size // _ENTRY.size if path.exists() else 0


def seconds(path: Path, records: int) -> float:
    """From the first start to the last end.

    :raises RuntimeError: some of *records* were never handled.
    """
    entries = list(_ENTRY.iter_unpack(path.read_bytes()))
    missing = records - len({number for number, _, _ in entries})
    if missing:
        raise RuntimeError(f"{missing} of {records} records were never handled")
    return max(ended for _, _, ended in entries) - min(began for _, began, _ in entries)
