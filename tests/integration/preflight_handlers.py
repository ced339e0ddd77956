"""Handlers of consumers that are looked at before they start, and never run."""

from __future__ import annotations

import os

from kafka import KafkaConsumer

from kafka_parallel import ParallelConsumer
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


def build():
    """Build a consumer as a user's factory does, of what the test says."""
    patience = {"bootstrap_timeout_ms": int(os.environ.get("PREFLIGHT_PATIENCE_MS", "30000"))}
    known = {name: value for name, value in patience.items() if name in KafkaConsumer.DEFAULT_CONFIG}
    consumer = KafkaConsumer(
        os.environ["PREFLIGHT_TOPIC"], bootstrap_servers=os.environ["PREFLIGHT_SERVERS"], auto_offset_reset="earliest",
        group_id=os.environ["PREFLIGHT_GROUP"], **known,
    )  # fmt: skip
    return ParallelConsumer(consumer, plugins=[("dlq", {"topic": os.environ["PREFLIGHT_DLQ"]})]), handle
