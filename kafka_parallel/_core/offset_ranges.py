"""Sets of offsets, kept as ranges: two thousand million offsets in a row cost no more than two.

An offset that is finished is mostly one of many in a row. Plugins, and the metadata of a commit, may also claim a range
that no log ever had: a set of its offsets would fill the memory.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import TypeAlias

OffsetRange: TypeAlias = "tuple[int, int]"
"""The first offset, and one past the last."""


class OffsetRanges:
    """A set of offsets.

    :param ranges: in any order; they may touch or overlap, and those without an offset count for nothing.
    """

    __slots__ = ("_ends", "_firsts")

    def __init__(self, ranges: Iterable[OffsetRange] = ()) -> None:
        self._firsts: list[int] = []
        self._ends: list[int] = []
        for first, end in sorted(ranges):
            if first >= end:
                continue
            if self._ends and first <= self._ends[-1]:
                self._ends[-1] = max(end, self._ends[-1])
            else:
                self._firsts.append(first)
                self._ends.append(end)

    def __contains__(self, offset: int) -> bool:
        place = bisect_right(self._firsts, offset) - 1
        return place >= 0 and offset < self._ends[place]

    def __bool__(self) -> bool:
        return bool(self._firsts)

    def __iter__(self) -> Iterator[OffsetRange]:
        """The ranges in increasing order; none touches the next."""
        return zip(self._firsts, self._ends, strict=True)

    def __repr__(self) -> str:
        return f"OffsetRanges({list(self)})"

    def at_or_above(self, offset: int) -> OffsetRanges:
        """Return those at *offset* and above."""
        place = bisect_right(self._ends, offset)
        return OffsetRanges((max(first, offset), end) for first, end in list(self)[place:])
