"""When a partition must pause and when it may resume.

A new reason is decided here, named in ``explanations.py`` (`PauseReason`), and said in ``_runtime/loop/sentences.py``.

Rule 1: buffered records and bytes have a limit over all partitions. Nothing is ever fetched that has no room: the room
that is left bounds the next poll.
Rule 2: a partition may hold as much as is still free, so it is paused while it holds more than the rest of the buffer
has room. One stuck partition alone holds at most half of the buffer, two hold a third each, and a partition that keeps
up always finds room. (Dynamic thresholds with alpha 1: Choudhury and Hahne, IEEE/ACM Trans. on Networking 6(2), 1998.)
Rule 3: the span from the commit point to the newest record is limited per partition: it is the most that a crash
repeats. No poll brings more than the span that is left; records beyond it all the same (offsets may have gaps) are
given back.
Rule 4: pausing and resuming have marks that are wide apart (a partition resumes at half of the load that pauses it),
because kafka-python 2.x throws away the records that it has prefetched for a paused partition. A pause ends by the mark
of its own reason, and not before nothing else would pause the partition again.
Rule 5: some room is kept free for the partitions that hold nothing, a record for each but no more than a quarter, so
that they are fetched whatever the others hold.
Rule 6: if nothing is buffered, one record may always come, however large it is.
Rule 7: the record budget of a poll is the free bytes divided by the largest recent record size. If larger ones come,
the limit of bytes is kept all the same: the records behind the one that reaches it are given back and fetched again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

# Before any record was seen, its size is taken for the broker's default message.max.bytes.
UNSEEN_RECORD_BYTES = 1 << 20
# At most one part in this many of the buffer is kept free for partitions that hold nothing.
RESERVED = 4
# The factor by which the memory of a large record fades, per poll.
FADING = 0.95


@dataclass(frozen=True, slots=True)
class BufferLimits:
    """The limits of the buffer.

    :ivar records: records taken and not finished, over all partitions.
    :ivar bytes: their bytes.
    :ivar uncommitted: offsets from the commit point to the newest record, per partition.
    """

    records: int
    bytes: int
    uncommitted: int


class Load(NamedTuple):
    """The load of one partition, or of all of them together."""

    records: int
    bytes: int
    span: int = 0


# see docs/decisions/0010-fetch-only-with-room.md
# see docs/decisions/0011-dynamic-thresholds.md
class PauseRules:
    """Pause and resume decisions of one consumer."""

    def __init__(self, limits: BufferLimits) -> None:
        self._limits = limits
        self._largest = float(UNSEEN_RECORD_BYTES)

    def learn_sizes(self, sizes: Iterable[int]) -> None:
        """Learn the *sizes* of the records of one poll, if any were taken."""
        if (largest := max(sizes, default=None)) is None:
            return
        seen_any = self._largest != UNSEEN_RECORD_BYTES
        self._largest = max(largest, self._largest * FADING if seen_any else 1.0)

    def room(self, total: Load) -> int:
        """The number of records that the next poll may bring while *total* is buffered."""
        if total.records == 0:
            return self._capacity
        records = self._limits.records - total.records
        return max(0, min(records, int((self._limits.bytes - total.bytes) / self._largest)))

    @property
    def _capacity(self) -> int:
        """The number of records that have room when nothing is buffered."""
        return max(1, min(self._limits.records, int(self._limits.bytes / self._largest)))

    def reserve(self, empty: int) -> int:
        """The records kept free for *empty* partitions that hold nothing."""
        capacity = self._capacity
        return min(empty, max(1, capacity // RESERVED)) if capacity > 1 else 0

    def pause_reason(self, load: Load, total: Load, reserve: int = 0) -> str | None:
        """Why a partition with *load* must pause now, or ``None``; *reserve* records are kept free for others."""
        if load.span >= self._limits.uncommitted:
            return "uncommitted"
        if load.records and load.records >= self._limits.records - total.records - reserve:
            return "records"
        if load.records and load.bytes >= self._limits.bytes - total.bytes - reserve * self._largest:
            return "bytes"
        return None

    def full_reason(self, total: Load) -> str:
        """Why there is no room while *total* is buffered."""
        return "records" if total.records >= self._limits.records else "bytes"

    def may_resume(self, reason: str, load: Load, total: Load, reserve: int = 0) -> bool:
        """Tell whether a partition with *load* may resume that was paused for *reason*."""
        if self.room(total) == 0 or self.pause_reason(load, total, reserve) is not None:
            return False
        if reason == "uncommitted":
            left = self._limits.uncommitted - load.span
            # Only commits make this room. If few records are left to finish, commits will not make much more of it.
            return load.span <= self._limits.uncommitted // 2 or load.records <= left // 2
        if reason == "records":
            return load.records <= (self._limits.records - total.records - reserve) // 2
        if reason == "bytes":
            return load.bytes <= (self._limits.bytes - total.bytes - reserve * self._largest) // 2
        return True
