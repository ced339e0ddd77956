"""How a million durations fit into a short list of counts.

The buckets are log-linear, in whole microseconds. Below 128 µs each microsecond has a bucket of its own. Above, every
power of two is cut into 64 equal buckets, so a bucket is at most 1/64 as wide as the durations in it, and its middle is
at most 1/128 (0.8 %) away from any of them. The bucket of a duration takes two shifts to compute: no search, no
logarithm. The list is only as long as the longest duration needs: 576 counts up to 16 ms, 1,728 up to an hour.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from operator import add

__all__ = ()

SUB_BITS = 6
SUBS = 1 << SUB_BITS
EXACT = SUBS << 1
RELATIVE_ERROR = 1 / EXACT


class Buckets:
    """Counts durations. One thread adds, any other may read meanwhile and be a few durations behind.

    :ivar counts: durations per bucket.
    :ivar largest: the longest one, in microseconds.
    """

    __slots__ = ("counts", "largest")

    def __init__(self) -> None:
        self.counts = [0] * EXACT
        self.largest = 0

    @classmethod
    def merged(cls, parts: Iterable[Buckets]) -> Buckets:
        """Add up *parts* in a new object."""
        made = cls()
        made.counts, made.largest = merge(parts)
        return made

    def add_all(self, durations: Iterable[float]) -> None:
        """Count durations in seconds; one below 0, from clocks that disagree, counts as 0.

        Sorted, those of one bucket stand together. Sorting numbers costs less than to find a bucket for each, above all
        where they were in order before, as the times of records are that waited for the same worker.
        """
        ordered = sorted(durations)
        begin = 0
        while begin < len(ordered):
            index, bound = _bucket_of(int(ordered[begin] * 1e6))
            end = bisect_left(ordered, bound / 1e6, begin + 1)
            if index >= len(self.counts):
                self.counts.extend([0] * (index + 1 - len(self.counts)))
            self.counts[index] += end - begin
            begin = end
        if ordered:
            self.largest = max(self.largest, int(ordered[-1] * 1e6))


def _bucket_of(microseconds: int) -> tuple[int, int]:
    """Return the index of a duration's bucket, and where the next bucket begins."""
    if microseconds < EXACT:
        index = max(microseconds, 0)
        return index, index + 1
    shift = microseconds.bit_length() - SUB_BITS - 1
    place = microseconds >> shift
    return (shift << SUB_BITS) + place, place + 1 << shift


def merge(parts: Iterable[Buckets]) -> tuple[list[int], int]:
    """Add up the counts of *parts*; return them and the longest duration in microseconds."""
    total, largest = [0] * EXACT, 0
    for part in parts:
        largest = max(largest, part.largest)
        counts = part.counts.copy()
        total.extend([0] * (len(counts) - len(total)))
        total[: len(counts)] = map(add, total, counts)
    return total, largest


def quantile(counts: Sequence[int], share: float) -> float:
    """Return the duration that *share* of all durations do not exceed (nearest rank), in microseconds; 0 without any.

    :param share: above 0, at most 1.
    """
    rank = math.ceil(share * sum(counts))
    for index, count in enumerate(counts):
        rank -= count
        if count and rank <= 0:
            return middle(index)
    return 0.0


def middle(index: int) -> float:
    """Return the middle of the bucket at *index*, in microseconds."""
    if index < EXACT:
        return float(index)
    shift = (index >> SUB_BITS) - 1
    lowest = (index - (shift << SUB_BITS)) << shift
    return lowest + ((1 << shift) - 1) / 2
