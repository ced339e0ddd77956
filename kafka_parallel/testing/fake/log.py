"""The contents of one partition: records with gaps between them, transactions, and a start that retention moves."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

__all__ = ()

Headers = Sequence[tuple[str, bytes]]
Isolation: TypeAlias = Literal["read_uncommitted", "read_committed"]


class PartitionLog:
    """One partition's log.

    :ivar records: the records that can still be read, in offset order.
    :ivar start: the first offset that can be read.
    :ivar end: the offset of the next record.
    """

    def __init__(self, partition: TopicPartition) -> None:
        self._partition = partition
        self._offsets: list[int] = []
        self.records: list[ConsumerRecord] = []
        self.start: int = 0
        self.end: int = 0
        self._open: dict[object, tuple[int, list[int]]] = {}
        self._aborted: set[int] = set()

    @property
    def open_from(self) -> int | None:
        """The first offset of a transaction that has not ended; ``None`` if there is none."""
        return min((begun for begun, _ in self._open.values()), default=None)

    def append(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        timestamp_ms: int,
        gap: int,
        transaction: object = None,
    ) -> ConsumerRecord:
        """Append a record after *gap* offsets that hold none (compaction, transaction markers).

        It belongs to *transaction*, if that has begun.
        """
        topic, number = self._partition
        offset = self.end + gap
        header_size = sum(len(name.encode()) + len(content or b"") for name, content in headers) if headers else -1
        sizes = (-1 if key is None else len(key), -1 if value is None else len(value), header_size)
        fields: tuple[Any, ...] = (topic, number, 0, offset, timestamp_ms, 0, key, value, list(headers), None)
        self.records.append(ConsumerRecord(*fields, *sizes))
        self._offsets.append(offset)
        self.end = offset + 1
        if transaction in self._open:
            self._open[transaction][1].append(offset)
        return self.records[-1]

    def begin_transaction(self, transaction: object = None) -> None:
        """Let records appended from now on, by those who name it, belong to *transaction*."""
        self._open.setdefault(transaction, (self.end, []))

    def end_transaction(self, transaction: object = None, *, commits: bool) -> None:
        """End *transaction*; the marker that says how takes an offset."""
        _, offsets = self._open.pop(transaction)
        if not commits:
            self._aborted.update(offsets)
        self.end += 1

    def readable_end(self, isolation: Isolation) -> int:
        """The offset that a reader can get to: with read_committed not past the first open transaction."""
        open_from = self.open_from
        return self.end if open_from is None or isolation == "read_uncommitted" else open_from

    def delete_before(self, offset: int) -> None:
        """Delete the records below *offset* (retention)."""
        self.start = max(self.start, min(offset, self.end))
        place = bisect_left(self._offsets, self.start)
        del self._offsets[:place], self.records[:place]

    def read(self, offset: int, limit: int, isolation: Isolation = "read_uncommitted") -> list[ConsumerRecord]:
        """Return at most *limit* records from *offset* on."""
        place = bisect_left(self._offsets, offset)
        if isolation == "read_uncommitted":
            return self.records[place : place + limit]
        end = self.readable_end(isolation)
        stable = (found for found in self.records[place:] if found.offset < end and found.offset not in self._aborted)
        return list(itertools.islice(stable, limit))
