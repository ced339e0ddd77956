"""The offset of one partition that is safe to commit.

Rule 1: offsets are added in increasing order and may have gaps (compaction, transaction markers). A gap is finished by
definition: it holds no record to handle.
Rule 2: the commit point is the lowest offset that is not finished; if all are, it is the client's position: the offset
of the record that comes next. Mostly that is one past the newest offset added. It is more behind offsets that a client
skips without handing anything out (transaction markers, aborted records, a reset), and it is known before any record
came of a quiet partition.
Rule 3: an offset that was dropped (taken from ``poll()`` but given up before it ran) counts as not finished for
ever. The commit point can never pass it, whatever else happens to this ledger.
Rule 4: above the commit point, everything up to the highest finished offset that is neither unfinished nor dropped
counts as finished, gaps included (rule 1).
Rule 5: this file does not know about threads. Its caller holds the lock.

Theory. Records of a partition finish out of order, but Kafka's commit is one number that says "everything below me is
done". So the ledger keeps the offsets in order of arrival in a deque and the unfinished ones in a dict; finishing
removes from the dict, and the deque's head is moved past everything the dict does not hold any more. Each offset
enters and leaves the deque once, so a finish costs O(1) amortised in every order of finishing. A dict alone would do,
for it keeps its keys in order, but asking a dict for its first key walks over the keys removed before it, and records
mostly finish in order: that is quadratic.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import pairwise, repeat
from operator import lt
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from kafka_parallel._core.offset_ranges import OffsetRange


# see docs/decisions/0005-commit-one-snapshot.md
# see docs/decisions/0059-commit-the-position.md
class OffsetLedger:
    """Offsets of one partition under one assignment, from ``poll()`` to commit.

    :ivar sizes: how many bytes each record has that is neither finished nor dropped, by offset, in increasing order.
    :ivar bytes: how many these are in all.
    """

    __slots__ = ("_added", "_at_drop", "_dropped", "_dropped_from", "_end", "_next", "_order", "bytes", "sizes")

    def __init__(self) -> None:
        self._order: deque[int] = deque()
        self.sizes: dict[int, int] = {}
        self._next: int | None = None
        self._end: int | None = None
        self._dropped: set[int] = set()
        self._dropped_from: int | None = None
        self._at_drop: Sequence[int] | None = None  # all from the head on, when the first was dropped
        self.bytes = self._added = 0

    def begin_at(self, offset: int) -> None:
        """Note that the first offset to come is *offset*: those below it are not this consumer's business."""
        self._next = self._end = offset

    def advance_to(self, position: int) -> None:
        """Note that the next offset to come is *position*: those between the newest and it hold no record for us.

        :raises ValueError: if it is below the one expected: that is a jump back, and needs a ledger of its own.
        """
        if self._next is None:
            self.begin_at(position)
        elif position < self._next:
            raise ValueError(f"position {position} is below {self._next}, the next offset expected")
        self._next = position

    def below(self, position: int) -> OffsetLedger:
        """Return a ledger of the offsets below *position*, which comes next in it."""
        found = OffsetLedger()
        found._order = deque(offset for offset in self._order if offset < position)
        found.sizes = {offset: size for offset, size in self.sizes.items() if offset < position}
        found.bytes = sum(found.sizes.values())
        if dropped := {offset for offset in self._dropped if offset < position}:
            found._dropped, found._dropped_from = dropped, min(dropped)
            found._at_drop = tuple(offset for offset in self._at_drop or () if offset < position)
        found._added = len(dropped.union(found._order))
        found._next = found._end = position
        found._forget_finished()
        return found

    def add_offsets(self, offsets: Sequence[int], sizes: Sequence[int]) -> None:
        """Take in *offsets*, and how many bytes each of their records has; the work per record here runs in C.

        :raises ValueError: if an offset is not above every offset added before.
        """
        if not offsets:
            return
        first = offsets[0] if self._next is None else self._next
        if offsets[0] < first or not all(map(lt, offsets, offsets[1:])):
            _refuse(offsets, first)
        self._order.extend(offsets)
        self.sizes.update(zip(offsets, sizes, strict=True))
        self.bytes += sum(sizes)
        self._added += len(offsets)
        self._next = self._end = offsets[-1] + 1

    def finish_offset(self, offset: int) -> bool:
        """Note that *offset* needs no more work; false if it was not unfinished (finished before, or dropped)."""
        size = self.sizes.pop(offset, None)
        if size is None:
            return False
        self.bytes -= size
        self._forget_finished()
        return True

    def finish_offsets(self, offsets: Iterable[int]) -> int:
        """Note that *offsets* need no more work; tell how many of them were unfinished."""
        sizes = list(map(self.sizes.pop, offsets, repeat(None)))
        if None in sizes:
            sizes = [size for size in sizes if size is not None]
        self.bytes -= sum(cast("list[int]", sizes))
        self._forget_finished()
        return len(sizes)

    def drop(self, offsets: Iterable[int]) -> None:
        """Give up unfinished *offsets*: they are not buffered any more and never counted as finished."""
        if self._at_drop is None:
            self._at_drop = tuple(self._order)
        for offset in offsets:
            self.bytes -= self.sizes.pop(offset)
            self._dropped.add(offset)
            if self._dropped_from is None or offset < self._dropped_from:
                self._dropped_from = offset
        self._forget_finished()

    def _forget_finished(self) -> None:
        """Move the head past everything that is not unfinished."""
        order, unfinished = self._order, self.sizes
        if not unfinished:  # the usual case if handlers are fast
            order.clear()
        while order and order[0] not in unfinished:
            order.popleft()

    @property
    def committable(self) -> int | None:
        """The offset to commit: all below it are finished. ``None`` before the first offset is known."""
        candidate = self._order[0] if self._order else self._next
        if self._dropped_from is not None and candidate is not None:
            return min(candidate, self._dropped_from)
        return candidate

    @property
    def head(self) -> int | None:
        """The lowest offset that is neither finished nor dropped; ``None`` if there is none."""
        return self._order[0] if self._order else None

    @property
    def next(self) -> int | None:
        """The lowest offset that may still come; ``None`` before it is known."""
        return self._next

    @property
    def end(self) -> int | None:
        """One past the newest offset added; where it began before the first one."""
        return self._end

    @property
    def highest_finished(self) -> int | None:
        """The highest offset that is finished although one below it is not; ``None`` if there is none."""
        for offset in reversed(self._order):
            if offset not in self.sizes and (self._dropped_from is None or offset < self._dropped_from):
                return offset
        return None

    def finished_ranges(self) -> list[OffsetRange]:
        """The offsets above the commit point that are finished, as ranges in increasing order."""
        unfinished, dropped = self.sizes, self._dropped
        order = self._order if self._at_drop is None else self._at_drop
        highest = next((one for one in reversed(order) if one not in unfinished and one not in dropped), None)
        if highest is None:
            return []
        left = sorted(dropped.union(unfinished)) if dropped else [*unfinished]
        below = left[: bisect_left(left, highest)]
        if not below:
            return []
        return [(low + 1, high) for low, high in pairwise(below) if high > low + 1] + [(below[-1] + 1, highest + 1)]

    @property
    def finished(self) -> int:
        """The number of finished offsets; it only grows."""
        return self._added - len(self.sizes) - len(self._dropped)

    @property
    def dropped(self) -> int:
        """The number of dropped offsets."""
        return len(self._dropped)

    @property
    def records(self) -> int:
        """The number of unfinished offsets."""
        return len(self.sizes)

    def finished_from(self, offset: int) -> int:
        """The number of finished offsets above *offset*, which is not finished."""
        return sum(found > offset and found not in self.sizes for found in self._order)


def _refuse(offsets: Sequence[int], expected: int) -> None:
    """Raise for the first of *offsets* that is not above all before it."""
    for offset in offsets:
        if offset < expected:
            raise ValueError(f"offset {offset} is below {expected}, the next one expected")
        expected = offset + 1
