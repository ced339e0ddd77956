"""Handlers of consumers that are looked at before they start, and never run."""

from __future__ import annotations

from kafka_parallel.results import producing


def handle(record):
    """Do nothing with *record*."""


async def handle_async(record):
    """Do nothing with *record*."""


def takes_two(record, consumer):
    """Need more than a run gives."""


def tell(record):
    """Return a result for *record*."""
    return record.value


telling = producing(tell, topic="preflight-output")
