"""The results of records that are finished and not committed: which are kept, and which belong to a commit.

Rule 1: a record has the results of its latest attempt alone. An attempt that has failed has none, not even if its
handler returns later (a deadline was missed); a record that is finished by a dead letter has that. After a jump of the
program the attempts at a record count from 1 again, and those from before the jump may still run: they change nothing.
Rule 2: results are dropped with the ownership of their partition: the record runs again, here or elsewhere.
Rule 3: a commit takes the results of all records below its offsets, by partition and offset. They are dropped only when
the commit is confirmed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from kafka_parallel import RecordContext
    from kafka_parallel.outbox import Outgoing

__all__ = ()

Place: TypeAlias = "tuple[str, int]"
# An attempt at a record: the number of the assignment that it is made under, and its own. Later ones compare as larger.
Try: TypeAlias = "tuple[int, int]"
NEVER: Try = (-1, 0)


@dataclass(slots=True)
class KeptResults:
    """The results of one record.

    :ivar context: of the attempt that they are of.
    :ivar size: their bytes.
    """

    records: Sequence[Outgoing]
    context: RecordContext
    size: int


@dataclass(slots=True)
class PartitionResults:
    """The results of one partition.

    :ivar kept: by the offset of their record.
    :ivar failed: by the offset of a record, its latest attempt that has failed.
    """

    kept: dict[int, KeptResults] = field(default_factory=dict)
    failed: dict[int, Try] = field(default_factory=dict)


class PendingResults:
    """Keeps results until their records are committed. Any thread may call any method.

    :ivar size: bytes of all of them together.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._partitions: dict[Place, PartitionResults] = {}
        self.size = 0

    def keep_results(self, records: Sequence[Outgoing], context: RecordContext) -> None:
        """Keep the results of an attempt, in the place of those of an earlier one; not if it has failed by now."""
        with self._lock:
            partition = self._of(context)
            if _try_of(context) > partition.failed.get(context.raw.offset, NEVER):
                self._put(partition, records, context)

    def keep_instead(self, record: Outgoing, context: RecordContext) -> None:
        """Keep *record*, such as a dead letter, in the place of results: it finishes a record that has failed."""
        with self._lock:
            self._put(self._of(context), (record,), context)

    def note_failure(self, context: RecordContext) -> None:
        """Note that an attempt has failed: its results are forgotten, and later ones of it are not kept."""
        with self._lock:
            if not context.counts:
                return
            partition, offset = self._of(context), context.raw.offset
            partition.failed[offset] = max(_try_of(context), partition.failed.get(offset, NEVER))
            self._forget(partition, offset)

    def results_below(self, offsets: Mapping[Place, int]) -> list[Outgoing]:
        """The results of records below *offsets*, in the order of their places; none of attempts that do not count."""
        with self._lock:
            return [
                record
                for place, end in sorted(offsets.items())
                for _, kept in sorted(self._kept_below(place, end), key=itemgetter(0))
                if kept.context.counts
                for record in kept.records
            ]

    def forget_written(self, offsets: Mapping[Place, int]) -> None:
        """Forget the results of records below *offsets*: they are written."""
        with self._lock:
            for place, end in offsets.items():
                for offset, _ in self._kept_below(place, end):
                    self._forget(self._partitions[place], offset)
                self._forget_failures(place, end)

    def forget_partitions(self, partitions: Iterable[Place]) -> None:
        """Forget all results of *partitions*, which have left."""
        with self._lock:
            for place in partitions:
                gone = self._partitions.pop(place, None)
                if gone is not None:
                    self.size -= sum(kept.size for kept in gone.kept.values())

    def _of(self, context: RecordContext) -> PartitionResults:
        return self._partitions.setdefault((context.raw.topic, context.raw.partition), PartitionResults())

    def _put(self, partition: PartitionResults, records: Sequence[Outgoing], context: RecordContext) -> None:
        if not context.counts:
            return
        offset = context.raw.offset
        self._forget(partition, offset)
        if records:
            kept = KeptResults(records, context, sum(map(size_of, records)))
            partition.kept[offset] = kept
            self.size += kept.size

    def _forget(self, partition: PartitionResults, offset: int) -> None:
        kept = partition.kept.pop(offset, None)
        if kept is not None:
            self.size -= kept.size

    def _kept_below(self, place: Place, end: int) -> list[tuple[int, KeptResults]]:
        partition = self._partitions.get(place)
        return [] if partition is None else [item for item in partition.kept.items() if item[0] < end]

    def _forget_failures(self, place: Place, end: int) -> None:
        partition = self._partitions.get(place)
        if partition is not None and partition.failed:
            partition.failed = {offset: attempt for offset, attempt in partition.failed.items() if offset >= end}


def _try_of(context: RecordContext) -> Try:
    return context.assignment_id, context.attempt


def size_of(record: Outgoing) -> int:
    """The size of *record* in bytes: key, value, and names and values of headers; no overhead of the protocol."""
    headers = sum(len(name) + len(value) for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers
