"""The offsets of a partition that were finished before its assignment began, as far as that is believed.

Rule 1: plugins with a store of their own are believed.
Rule 2: the metadata of a commit ("recorded") is believed while the partition goes on right there: the first record that
comes has the committed offset itself, under a leader epoch that is not below the committed one. Otherwise another log,
or another part of it, is read (a seek, a reset, a topic made anew), and all of it is forgotten. So it is if it tells of
offsets that the log does not have yet: it is about another log.
Rule 3: the committed offset is not finished, whatever is recorded: that is the meaning of the number.
Rule 4: a jump of the user ends it: records are wanted again from there on.

docs/decisions/0078-record-of-one-commit.md gives the reasons of rules 2 to 4, under the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kafka_parallel._core.offset_ranges import OffsetRange, OffsetRanges


class Recorded(NamedTuple):
    """The record beside one committed offset.

    :ivar offset: the committed offset.
    :ivar leader_epoch: the committed leader epoch; -1 if it is not known.
    :ivar ranges: the offsets that are finished.
    """

    offset: int
    leader_epoch: int
    ranges: OffsetRanges


class Forgotten(NamedTuple):
    """Tells that the record beside a commit is not believed.

    :ivar offset: the committed offset.
    :ivar reason: a sentence that says why.
    :ivar is_wanted: whether the user asked for it, by a jump.
    """

    offset: int
    reason: str
    is_wanted: bool = False


# see docs/decisions/0078-record-of-one-commit.md
class FinishedBefore:
    """The offsets of one assignment that finish on arrival.

    :param stored: those of plugins with a store of their own.
    :param recorded: the record beside the committed offset, if there is one.
    :ivar forgotten: why that record is not believed after all; ``None`` if it is, or there is none.
    """

    __slots__ = ("_has_begun", "_recorded", "_stored", "forgotten")

    def __init__(self, stored: Iterable[OffsetRange] = (), recorded: Recorded | None = None) -> None:
        self._stored = OffsetRanges(stored)
        self._recorded: Recorded | None = None
        self._has_begun = False
        self.forgotten: Forgotten | None = None
        if recorded is not None and (above := recorded.ranges.at_or_above(recorded.offset + 1)):
            self._recorded = recorded._replace(ranges=above)

    def __bool__(self) -> bool:
        return self._recorded is not None or bool(self._stored)

    def __contains__(self, offset: int) -> bool:
        return offset in self._stored or (self._recorded is not None and offset in self._recorded.ranges)

    @property
    def leader_epoch(self) -> int:
        """The committed leader epoch, while the record beside it is believed; -1 otherwise."""
        return -1 if self._recorded is None else self._recorded.leader_epoch

    def begin_at(self, position: int) -> None:
        """Note that the assignment begins at *position*."""
        if self._recorded is not None and position != self._recorded.offset:
            self._forget(f"the partition is read from offset {position} on")

    def begin_with(self, offset: int, leader_epoch: int | None, log_end: int | None = None) -> None:
        """Note the first record that comes, and where the log ended then, if that is known; later calls do nothing."""
        if self._has_begun or self._recorded is None:
            return
        self._has_begun = True
        if offset != self._recorded.offset:
            self._forget(f"the first record of the partition is at offset {offset}")
        elif leader_epoch is not None and leader_epoch < self._recorded.leader_epoch:
            self._forget(
                f"the leader epoch of the partition has gone back from {self._recorded.leader_epoch} to {leader_epoch}"
            )
        elif log_end is not None and self._recorded.ranges.at_or_above(log_end):
            self._forget(f"the commit tells of offsets beyond the end of the log, {log_end}")

    def jump(self) -> None:
        """Note that the user goes on elsewhere."""
        self._forget("the user goes on elsewhere", is_wanted=True)

    def _forget(self, reason: str, *, is_wanted: bool = False) -> None:
        if self._recorded is not None:
            self.forgotten = Forgotten(self._recorded.offset, reason, is_wanted)
            self._recorded = None

    def recorded_from(self, offset: int) -> list[OffsetRange]:
        """The recorded ones at *offset* and above."""
        return [] if self._recorded is None else [*self._recorded.ranges.at_or_above(offset)]

    def forget_below(self, offset: int) -> None:
        """Forget those below *offset*: they have come."""
        self._stored = self._stored.at_or_above(offset)
        if self._recorded is not None:
            above = self._recorded.ranges.at_or_above(offset)
            self._recorded = self._recorded._replace(ranges=above) if above else None
