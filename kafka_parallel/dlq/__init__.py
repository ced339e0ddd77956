"""The facts that a dead letter tells about the record it was made of, in nine dialects.

`parse` reads the headers of nine dialects: those of Kafka's share groups (KIP-1191), Spring Kafka's dead letters and
retry topics, Kafka Connect, Kafka Streams, Spring Cloud Stream, SmallRye, Karafka and the Python libraries. They are
claims of any producer of the topic: show them, filter by them, but never let them decide where something is sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kafka_parallel.dlq._dialects import DIALECTS, PREVIOUS, is_control

__all__ = ["PREVIOUS", "DeadLetter", "is_control", "parse"]

_FIELDS = {header: (dialect, *field) for dialect, table in DIALECTS.items() for header, field in table.items()}
_RANK = {dialect: rank for rank, dialect in enumerate(DIALECTS)}


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """The claims of a record's headers about a failure; ``None`` = nothing, or nothing that can be read.

    :ivar topic: where the record that failed was read.
    :ivar partition: its partition.
    :ivar offset: its offset.
    :ivar timestamp_ms: its timestamp, in milliseconds since the Unix epoch.
    :ivar group: the consumer group in which it failed.
    :ivar attempts: how often it was tried, 1 to 32,767.
    :ivar exception: the name of the error's class, as its language writes it.
    :ivar cause: that of the error's cause.
    :ivar message: the text of the error.
    :ivar stack_trace: its stack trace.
    :ivar first_failed_at_ms: when the first attempt failed, in milliseconds since the Unix epoch.
    :ivar due_at_ms: before when it should not be tried again, in milliseconds since the Unix epoch.
    :ivar dialects: who wrote this, by the names of the dialects that had a readable header.
    :ivar damaged: the names of headers whose value cannot be read.
    """

    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    timestamp_ms: int | None = None
    group: str | None = None
    attempts: int | None = None
    exception: str | None = None
    cause: str | None = None
    message: str | None = None
    stack_trace: str | None = None
    first_failed_at_ms: int | None = None
    due_at_ms: int | None = None
    dialects: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()


def parse(headers: Iterable[tuple[str, bytes | None]]) -> DeadLetter:
    """Read the *headers* of a record. Of headers of one name the last one counts, as in Kafka's clients.

    It raises nothing, whatever the values are, and makes nothing larger than they are.

    :param headers: names and values, as ``ConsumerRecord.headers``.
    """
    found: dict[str, tuple[int, str | int]] = {}
    dialects, damaged = set(), set()
    for header, data in dict(headers).items():
        if header not in _FIELDS:
            continue
        dialect, field, reader = _FIELDS[header]
        value = None if data is None else reader(data)
        if value is None:
            damaged.add(header)
            continue
        dialects.add(dialect)
        if field not in found or _RANK[dialect] < found[field][0]:
            found[field] = (_RANK[dialect], value)
    values: dict[str, Any] = {field: value for field, (_, value) in found.items()}
    return DeadLetter(**values, dialects=tuple(sorted(dialects, key=_RANK.__getitem__)), damaged=tuple(sorted(damaged)))
