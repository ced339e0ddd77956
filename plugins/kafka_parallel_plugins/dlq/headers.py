"""Which headers a dead letter carries, byte for byte.

Two dialects side by side, so that readers of either find what they know, and a few names of our own:

- ``__dlq.errors.*``: KIP-1191, as the broker's ``ShareGroupDLQStateManager`` writes them. UTF-8 text, numbers in
  decimal.
- ``kafka_dlt-*``: Spring Kafka, as ``DeadLetterRecordManager`` writes them. UTF-8 text, but numbers as big-endian
  two's complement: 4 bytes for the partition, 8 for offset and timestamp.
- ``kafka-parallel.*``: what neither has a name for.

A record can arrive with such headers already: replayed from a dead letter topic, or forged. They are kept under
``kafka-parallel.prev.<name>``, where nobody takes them for ours. Only one generation is kept, or a record
that goes round and round would grow until no topic takes it.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kafka.consumer.fetcher import ConsumerRecord

    from kafka_parallel import RecordContext

    Header = tuple[str, bytes]

KAFKA = "__dlq.errors."
SPRING = "kafka_dlt-"
OWN = "kafka-parallel."
PREVIOUS = OWN + "prev."
FIRST_FAILED_AT = OWN + "first-failed-at"
NULL_HEADER = OWN + "null-header"

STACK_TRACE_BYTES = 8 * 1024
MESSAGE_BYTES = 1024
MOST_DELIVERIES = 2**15 - 1  # KIP-1191 counts deliveries in a Java short, and readers parse one

# Names of org.apache.kafka.common.record.TimestampType; a record of the oldest message format has none.
_TIMESTAMP_TYPES = {0: "CreateTime", 1: "LogAppendTime"}
_NO_TIMESTAMP_TYPE = "NoTimestampType"
_NO_TIMESTAMP = -1


def dead_letter_headers(error: Exception, context: RecordContext, group_id: str | None) -> list[Header]:
    """Return the headers of the dead letter for ``context.raw``: those it had, then ours.

    :param error: why the record failed.
    :param context: the failed attempt.
    :param group_id: the consumer group, or ``None``: then no header names a group.
    """
    told = traceback.TracebackException.from_exception(error)
    # str(told) is str(error), or a placeholder where __str__ itself raises
    message = _head(str(told) or _full_name(error))
    return [
        *_source_headers(context.raw.headers),
        *_kafka_headers(context, group_id, message),
        *_spring_headers(context.raw, group_id),
        (SPRING + "exception-fqcn", _full_name(error).encode()),
        (SPRING + "exception-cause-fqcn", _full_name(_root_cause(error)).encode()),
        (SPRING + "exception-message", message),
        (SPRING + "exception-stacktrace", _tail("".join(told.format()))),
        *_own_headers(context),
    ]


def _source_headers(headers: Iterable[tuple[str, bytes | None]]) -> list[Header]:
    headers = list(headers)
    moved = {PREVIOUS + name for name, _ in headers if _is_control(name)}
    kept = [(PREVIOUS + name if _is_control(name) else name, value) for name, value in headers if name not in moved]
    # kafka-python cannot send a null header value: an empty one stands for it, and one more header says so
    nulls = [(NULL_HEADER, name.encode()) for name, value in kept if value is None]
    return [(name, value or b"") for name, value in kept] + nulls


def _is_control(name: str) -> bool:
    return name.startswith((KAFKA, SPRING)) or name in (FIRST_FAILED_AT, NULL_HEADER)


def _kafka_headers(context: RecordContext, group_id: str | None, message: bytes) -> Iterable[Header]:
    yield KAFKA + "topic", context.raw.topic.encode()
    yield KAFKA + "partition", str(context.raw.partition).encode()
    yield KAFKA + "offset", str(context.raw.offset).encode()
    if group_id is not None:
        yield KAFKA + "group", group_id.encode()
    yield KAFKA + "delivery.count", str(min(context.attempt, MOST_DELIVERIES)).encode()
    yield KAFKA + "message", message


def _spring_headers(raw: ConsumerRecord, group_id: str | None) -> Iterable[Header]:
    timestamp = _NO_TIMESTAMP if raw.timestamp is None else raw.timestamp
    yield SPRING + "original-topic", raw.topic.encode()
    yield SPRING + "original-partition", raw.partition.to_bytes(4, "big", signed=True)
    yield SPRING + "original-offset", raw.offset.to_bytes(8, "big", signed=True)
    yield SPRING + "original-timestamp", timestamp.to_bytes(8, "big", signed=True)
    yield SPRING + "original-timestamp-type", _TIMESTAMP_TYPES.get(raw.timestamp_type, _NO_TIMESTAMP_TYPE).encode()
    if group_id is not None:
        yield SPRING + "original-consumer-group", group_id.encode()


def _own_headers(context: RecordContext) -> Iterable[Header]:
    if context.first_failed_at is not None:
        yield FIRST_FAILED_AT, str(round(context.first_failed_at * 1000)).encode()


def _full_name(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _root_cause(error: BaseException) -> BaseException:
    """Return the first error of the chain that a traceback would print; *error* itself if nothing came before it."""
    seen = {id(error)}
    while (cause := error.__cause__ or (None if error.__suppress_context__ else error.__context__)) is not None:
        if id(cause) in seen:
            break
        seen.add(id(cause))
        error = cause
    return error


def _head(text: str) -> bytes:
    return _whole_characters(text.encode("utf-8", "backslashreplace")[:MESSAGE_BYTES])


def _tail(text: str) -> bytes:
    # Python tells the error last, so the end is what must survive
    return _whole_characters(text.encode("utf-8", "backslashreplace")[-STACK_TRACE_BYTES:])


def _whole_characters(cut: bytes) -> bytes:
    return cut.decode("utf-8", "ignore").encode()
