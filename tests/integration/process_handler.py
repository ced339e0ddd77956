"""A CPU-bound handler that a worker process imports; it writes down its own acts."""

from __future__ import annotations

import os
from functools import lru_cache

from kafka_parallel.testing.history import History

PATH = "PROCESS_HANDLER_HISTORY"
DONE = "PROCESS_HANDLER_DONE"
# All processes of a pool are one run of one consumer: a key has to stay in order over all of them.
RUN = 1


@lru_cache
def history():
    return History(os.environ[PATH], RUN)


def spin(record):
    sum(number * number for number in range(3000))


def handle(record):
    history().recording(spin)(record)


def fail_at_tens(record):
    """Note which records are done, one line each in one write; every tenth fails."""
    spin(record)
    if record.offset % 10 == 0:
        raise ValueError("a tenth one")
    with open(os.environ[DONE], "ab", buffering=0) as file:
        file.write(b"%d %d\n" % (record.partition, record.offset))
