"""The meaning of each header in the nine dialects of dead letters.

A dialect is a table from header names to the fields of a `DeadLetter`, with the reader of each. If several dialects on
one record tell the same field, the first of them in this order is believed: those that the plugin ``dlq`` writes
itself, then the others.

Sources of the names and encodings: KIP-1191 and the broker's ``ShareGroupDLQStateManager``; Spring Kafka's
``KafkaHeaders``, ``DeadLetterRecordManager`` and ``RetryTopicHeaders``; Kafka Connect's ``DeadLetterQueueReporter``;
KIP-1034 and Kafka Streams' ``ExceptionHandlerUtils``; Spring Cloud Stream's ``KafkaMessageChannelBinder``; SmallRye's
``KafkaDeadLetterQueue`` and ``KafkaDelayedRetryTopic``; Karafka's ``dlq`` strategies; django-kafka 5.1, fastkafka2 0.6
and retriable-kafka-client 0.7.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from kafka_parallel.dlq._numbers import (
    MOST_OFFSETS,
    MOST_PARTITIONS,
    Reader,
    big_endian,
    clamped,
    decimal,
    decimal_or,
    text,
    topic,
    within,
)

Table: TypeAlias = "dict[str, tuple[str, Reader]]"

_partition = within(decimal, MOST_PARTITIONS)
_offset = _timestamp = within(decimal, MOST_OFFSETS)
_int32 = within(big_endian(4), MOST_PARTITIONS)
_int64 = within(big_endian(8), MOST_OFFSETS)
_any_partition = within(decimal_or(big_endian(4)), MOST_PARTITIONS)
_any_offset = within(decimal_or(big_endian(8)), MOST_OFFSETS)
# Java's BigInteger.toByteArray(): as few bytes as it takes.
_big_integer = within(big_endian(1, 2, 3, 4, 5, 6, 7, 8), MOST_OFFSETS)


def _named(prefix: str, fields: Table) -> Table:
    return {prefix + name: field for name, field in fields.items()}


def _source(partition: Reader, offset: Reader) -> dict[str, tuple[str, Reader]]:
    return {"topic": ("topic", topic), "partition": ("partition", partition), "offset": ("offset", offset)}


_SPRING_ERROR: Table = {
    "exception-fqcn": ("exception", text),
    "exception-cause-fqcn": ("cause", text),
    "exception-message": ("message", text),
    "exception-stacktrace": ("stack_trace", text),
}

DIALECTS: Mapping[str, Table] = {
    "kafka-parallel": {"kafka-parallel.first-failed-at": ("first_failed_at_ms", _timestamp)},
    "kafka": _named(
        "__dlq.errors.",
        {
            **_source(_partition, _offset),
            "group": ("group", text),
            "delivery.count": ("attempts", clamped(decimal)),
            "message": ("message", text),
        },
    ),
    "spring": _named(
        "kafka_dlt-",
        {
            **_named("original-", _source(_int32, _int64)),
            "original-timestamp": ("timestamp_ms", _int64),
            "original-consumer-group": ("group", text),
            **_SPRING_ERROR,
            **_named("key-", _SPRING_ERROR),
        },
    ),
    "connect": _named(
        "__connect.errors.",
        {
            **_source(_partition, _offset),
            "exception.class.name": ("exception", text),
            "exception.message": ("message", text),
            "exception.stacktrace": ("stack_trace", text),
        },
    ),
    "streams": _named(
        "__streams.errors.",
        {
            **_source(_partition, _offset),
            "exception": ("exception", text),
            "message": ("message", text),
            "stacktrace": ("stack_trace", text),
        },
    ),
    "spring-cloud-stream": {
        **_named("x-original-", _source(_any_partition, _any_offset)),
        "x-original-timestamp": ("timestamp_ms", _any_offset),
        "x-exception-fqcn": ("exception", text),
        "x-exception-message": ("message", text),
        "x-exception-stacktrace": ("stack_trace", text),
    },
    "smallrye": {
        **_named("dead-letter-", _source(_partition, _offset)),
        "dead-letter-exception-class-name": ("exception", text),
        "dead-letter-cause-class-name": ("cause", text),
        "dead-letter-reason": ("message", text),
        **_named("delayed-retry-", _source(_partition, _offset)),
        "delayed-retry-exception-class-name": ("exception", text),
        "delayed-retry-cause-class-name": ("cause", text),
        "delayed-retry-reason": ("message", text),
        "delayed-retry-count": ("attempts", clamped(decimal)),
        "delayed-retry-original-timestamp": ("timestamp_ms", _timestamp),
        "delayed-retry-first-processing-timestamp": ("first_failed_at_ms", _timestamp),
    },
    "python": {
        **_named("DEAD_LETTER_MESSAGE_", {
            "TOPIC": ("topic", topic),
            "PARTITION": ("partition", _partition),
            "OFFSET": ("offset", _offset),
        }),
        "DEAD_LETTER_SUMMARY": ("message", text),
        "DEAD_LETTER_DETAIL": ("stack_trace", text),
        **_named("x-dlt-origin-", _source(_partition, _offset)),
        "x-dlt-error-type": ("exception", text),
        "x-dlt-error": ("message", text),
        "retriable_kafka_attempt": ("attempts", clamped(big_endian(8))),
    },
    "karafka": _named(
        "source_",
        {
            **_source(_partition, _offset),
            "consumer_group": ("group", text),
            "attempts": ("attempts", clamped(decimal)),
        },
    ),
    "spring-retry": _named(
        "retry_topic-",
        {
            "attempts": ("attempts", clamped(big_endian(4, 1))),
            "original-timestamp": ("timestamp_ms", _big_integer),
            "backoff-timestamp": ("due_at_ms", _big_integer),
        },
    )
    | _named("kafka_original-", {**_source(_int32, _int64), "timestamp": ("timestamp_ms", _int64)}),
}  # fmt: skip
"""The dialects in the order in which they are believed: our own names, then the nine."""

CONTROL_PREFIXES = (
    "__dlq.errors.", "kafka_dlt-", "__connect.errors.", "__streams.errors.", "x-original-", "x-exception-",
    "dead-letter-", "delayed-retry-", "DEAD_LETTER_", "x-dlt-", "retriable_kafka_", "retry_topic-", "kafka_original-",
    "kafka-parallel.",
)  # fmt: skip
"""How names begin that say something about a failure. Karafka's ``source_`` is not among them: users write that too."""

PREVIOUS = "kafka-parallel.prev."
"""The prefix of the names of such headers that a record carried already when it failed."""


def is_control(name: str) -> bool:
    """Tell whether readers of dead letters would believe a header of this *name*."""
    return name.startswith(CONTROL_PREFIXES) and not name.startswith(PREVIOUS)
