"""The common part of both ways of running sentry-arroyo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arroyo.backends.kafka import KafkaConsumer, KafkaPayload
from arroyo.backends.kafka.configuration import build_kafka_consumer_configuration
from arroyo.processing import StreamProcessor
from arroyo.processing.strategies import ProcessingStrategy, ProcessingStrategyFactory
from arroyo.types import Topic

from benchmarks.job import Job

Make = Callable[[Callable[..., None]], ProcessingStrategy[KafkaPayload]]


class Factory(ProcessingStrategyFactory[KafkaPayload]):
    """Makes a strategy from a function of the commit callback."""

    def __init__(self, make: Make) -> None:
        self._make = make

    def create_with_partitions(self, commit: Any, partitions: Any) -> ProcessingStrategy[KafkaPayload]:  # noqa: ARG002
        return self._make(commit)


def stream(job: Job, make: Make) -> StreamProcessor[KafkaPayload]:
    """A stream processor that commits once a second, at its end too, and keeps offsets of its own."""
    config = build_kafka_consumer_configuration(
        {},
        group_id=job.group,
        auto_offset_reset="earliest",
        bootstrap_servers=[job.bootstrap_servers],
        enable_auto_commit=False,
    )
    return StreamProcessor(KafkaConsumer(config), Topic(job.topic), Factory(make), join_timeout=5)
