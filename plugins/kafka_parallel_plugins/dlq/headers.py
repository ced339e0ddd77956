"""The headers of a dead letter, byte for byte.

Several dialects can be written side by side, so that readers of each find their headers, beside a few names of our own:

- ``kafka``: ``__dlq.errors.*`` of KIP-1191, as the broker's ``ShareGroupDLQStateManager`` writes them. UTF-8 text,
  numbers in decimal.
- ``spring``: ``kafka_dlt-*`` of Spring Kafka, as ``DeadLetterRecordManager`` writes them. UTF-8 text, but numbers as
  big-endian two's complement: 4 bytes for the partition, 8 for offset and timestamp.
- ``connect``: ``__connect.errors.*`` of Kafka Connect, as ``DeadLetterQueueReporter`` writes them, without the headers
  that only a connector can fill. UTF-8 text, numbers in decimal.
- ``kafka-parallel.*``: facts for which none of them has a name.

A record can arrive with such headers already: replayed from a dead-letter topic, or forged. They are kept under
``kafka-parallel.prev.<name>``, which no reader takes for ours. Only one generation is kept, or a record that goes round
and round would grow until no topic takes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kafka_parallel.dlq import PREVIOUS, is_control
from kafka_parallel.dlq.null_headers import NULL_HEADER
from kafka_parallel_plugins.dlq.error_details import ErrorDetails

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord

    from kafka_parallel import RecordContext

    Header = tuple[str, bytes]

__all__ = ()

DIALECTS = ("kafka", "spring", "connect")
KAFKA = "__dlq.errors."
SPRING = "kafka_dlt-"
CONNECT = "__connect.errors."
OWN = "kafka-parallel."
FIRST_FAILED_AT = OWN + "first-failed-at"
VALUE_OMITTED = OWN + "value-omitted"

MOST_DELIVERIES = 2**15 - 1  # KIP-1191 counts deliveries in a Java short, and readers parse one

# Names of org.apache.kafka.common.record.TimestampType; a record of the oldest message format has none.
_TIMESTAMP_TYPES = {0: "CreateTime", 1: "LogAppendTime"}
_NO_TIMESTAMP_TYPE = "NoTimestampType"
_NO_TIMESTAMP = -1


@dataclass(frozen=True)
class Letterhead:
    """The set of headers that dead letters carry.

    :ivar dialects: which of `DIALECTS`.
    :ivar kept: names of the record's headers that are copied; ``None`` = all.
    :ivar group_id: the consumer group, or ``None``: then no header names a group.
    """

    dialects: tuple[str, ...]
    kept: frozenset[str] | None
    group_id: str | None

    def of(self, details: ErrorDetails, context: RecordContext) -> list[Header]:
        """Return the headers of the dead letter for ``context.raw``: those it had, then ours."""
        headers = list(self._copied(context.raw.headers))
        for dialect in self.dialects:
            headers += getattr(self, f"_{dialect}")(details, context)
        if context.first_failed_at_ms is not None:
            headers.append((FIRST_FAILED_AT, str(round(context.first_failed_at_ms)).encode()))
        return headers

    def _copied(self, headers: Iterable[tuple[str, bytes | None]]) -> Iterable[Header]:
        wanted = [(name, value) for name, value in headers if self.kept is None or name in self.kept]
        moved = {PREVIOUS + name for name, _ in wanted if is_control(name)}
        copied = [(PREVIOUS + name if is_control(name) else name, value) for name, value in wanted if name not in moved]
        yield from ((name, value or b"") for name, value in copied)
        # kafka-python cannot send a null header value: an empty one stands for it, and one more header says so
        yield from ((NULL_HEADER, name.encode()) for name, value in copied if value is None)

    def _kafka(self, details: ErrorDetails, context: RecordContext) -> Iterable[Header]:
        yield from _place(KAFKA, context.raw)
        if self.group_id is not None:
            yield KAFKA + "group", self.group_id.encode()
        yield KAFKA + "delivery.count", str(min(context.attempt, MOST_DELIVERIES)).encode()
        yield KAFKA + "message", details.message

    def _spring(self, details: ErrorDetails, context: RecordContext) -> Iterable[Header]:
        raw = context.raw
        timestamp = _NO_TIMESTAMP if raw.timestamp is None else raw.timestamp
        kind = _TIMESTAMP_TYPES.get(raw.timestamp_type, _NO_TIMESTAMP_TYPE)
        yield SPRING + "original-topic", raw.topic.encode()
        yield SPRING + "original-partition", raw.partition.to_bytes(4, "big", signed=True)
        yield SPRING + "original-offset", raw.offset.to_bytes(8, "big", signed=True)
        yield SPRING + "original-timestamp", timestamp.to_bytes(8, "big", signed=True)
        yield SPRING + "original-timestamp-type", kind.encode()
        if self.group_id is not None:
            yield SPRING + "original-consumer-group", self.group_id.encode()
        yield from self._spring_exception(details)

    @staticmethod
    def _spring_exception(details: ErrorDetails) -> Iterable[Header]:
        yield SPRING + "exception-fqcn", details.name
        yield SPRING + "exception-cause-fqcn", details.cause
        yield SPRING + "exception-message", details.message
        if details.stack_trace:
            yield SPRING + "exception-stacktrace", details.stack_trace

    @staticmethod
    def _connect(details: ErrorDetails, context: RecordContext) -> Iterable[Header]:
        yield from _place(CONNECT, context.raw)
        yield CONNECT + "exception.class.name", details.name
        yield CONNECT + "exception.message", details.message
        if details.stack_trace:
            yield CONNECT + "exception.stacktrace", details.stack_trace


def _place(prefix: str, raw: ConsumerRecord) -> Iterable[Header]:
    yield prefix + "topic", raw.topic.encode()
    yield prefix + "partition", str(raw.partition).encode()
    yield prefix + "offset", str(raw.offset).encode()
