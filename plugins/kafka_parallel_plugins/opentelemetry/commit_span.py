"""The span of a commit, for those who want one: each consumer commits every few seconds, whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Tracer

from kafka_parallel_plugins.opentelemetry import conventions as names
from kafka_parallel_plugins.opentelemetry.spans import mark_failed

if TYPE_CHECKING:
    from kafka import TopicPartition


def start_commit(tracer: Tracer, client: Mapping[str, str], partitions: Collection[TopicPartition]) -> Span:
    """Start the span of a commit for *partitions*.

    It is never the current one: a commit may end on another thread than it began on.
    """
    attributes = {**client, names.OPERATION_NAME: names.COMMIT, names.OPERATION_TYPE: names.SETTLE}
    name = names.COMMIT
    if len(topics := {partition.topic for partition in partitions}) == 1:
        attributes[names.DESTINATION] = topic = topics.pop()
        name = f"{name} {topic}"
    return tracer.start_span(name, Context(), SpanKind.CLIENT, attributes)


def end_commit(span: Span, error: BaseException | None, end: Callable[[Span], None]) -> None:
    """End the span of a commit that was answered, or that failed with *error*, by *end*."""
    try:
        if error is not None:
            mark_failed(span, error)
    finally:
        end(span)
