"""What one partition holds: records with gaps between them, and a start that retention moves."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

Headers = Sequence[tuple[str, bytes]]


class PartitionLog:
    """One partition's log.

    :ivar records: what can still be read, in offset order.
    :ivar start: the first offset that can be read.
    :ivar end: the offset of the next record.
    """

    def __init__(self, partition: TopicPartition) -> None:
        self._partition = partition
        self._offsets: list[int] = []
        self.records: list[ConsumerRecord] = []
        self.start = 0
        self.end = 0

    def append(
        self, key: bytes | None, value: bytes | None, headers: Headers, timestamp_ms: int, gap: int
    ) -> ConsumerRecord:
        """Append a record after *gap* offsets that hold none (compaction, transaction markers)."""
        topic, number = self._partition
        offset = self.end + gap
        header_size = sum(len(name.encode()) + len(content or b"") for name, content in headers) if headers else -1
        sizes = (-1 if key is None else len(key), -1 if value is None else len(value), header_size)
        fields: tuple[Any, ...] = (topic, number, 0, offset, timestamp_ms, 0, key, value, list(headers), None)
        self.records.append(ConsumerRecord(*fields, *sizes))
        self._offsets.append(offset)
        self.end = offset + 1
        return self.records[-1]

    def skip(self, offsets: int) -> None:
        """Let the log end with *offsets* offsets that hold no record, as a transaction marker does."""
        self.end += offsets

    def delete_before(self, offset: int) -> None:
        """Delete what lies below *offset* (retention)."""
        self.start = max(self.start, min(offset, self.end))
        place = bisect_left(self._offsets, self.start)
        del self._offsets[:place], self.records[:place]

    def read(self, offset: int, limit: int) -> list[ConsumerRecord]:
        """Return at most *limit* records from *offset* on."""
        place = bisect_left(self._offsets, offset)
        return self.records[place : place + limit]
