"""Handlers that return results; they can be sent to a process."""

from __future__ import annotations

import time

from kafka_parallel import Result

LARGE = 2_000_000


def enrich(record):
    return b"of " + record.value


def enrich_slowly(record):
    if record.offset % 10 == 0:
        time.sleep(0.01)
    return [enrich(record), Result(b"2 " + record.value, headers=[("from", b"%d" % record.offset)])]


async def enrich_async(record):
    return enrich(record)


def enrich_all(records):
    return [enrich(record) for record in records]


async def enrich_all_async(records):
    return enrich_all(records)


def enlarge_some(record):
    return b"x" * LARGE if record.offset % 20 == 7 else b"small"
