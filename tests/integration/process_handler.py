"""A CPU-bound handler that a worker process imports; what it does is written down by itself."""

from __future__ import annotations

import os
from functools import lru_cache

from kafka_parallel.testing.history import History

PATH = "PROCESS_HANDLER_HISTORY"
# All processes of a pool are one run of one consumer: a key has to stay in order over all of them.
RUN = 1


@lru_cache
def history():
    return History(os.environ[PATH], RUN)


def spin(record):
    sum(number * number for number in range(3000))


def handle(record):
    history().recording(spin)(record)
