"""The kafka-python consumer that its runners share."""

from __future__ import annotations

from typing import Any

from kafka import KafkaConsumer

from benchmarks.job import Job


def consumer(job: Job, **config: Any) -> KafkaConsumer:
    """A consumer that starts at the first record; it gives up after half a minute without one."""
    return KafkaConsumer(
        job.topic,
        bootstrap_servers=job.bootstrap_servers,
        group_id=job.group,
        auto_offset_reset="earliest",
        consumer_timeout_ms=30_000,
        **config,
    )
