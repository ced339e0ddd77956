"""The partitions that are ours, and the work that belongs to an assignment that has ended.

Rule 1: an assignment is one partition during one uninterrupted ownership. It gets a number (its id) that is never
used again. Taking the partition again, or jumping back in it, is a new assignment.
Rule 2: a task that finishes under an assignment that has ended changes nothing but the lane it held.
Rule 3: an assignment goes live -> draining -> ended, never back. While draining it takes nothing new.
Rule 4: a jump back leaves the records below its target to the next assignment, unfinished ones included. Threads may
have such a task, or just its assignment, in their hands at that moment: `Assignment.owner_of` tells whose it is.

The assignment object itself is the identity: every task points at it, and ended assignments are only reachable
through tasks that are still running.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Hashable, ItemsView, Iterable
from typing import Any, Generic, NamedTuple, TypeVar

from kafka_parallel._core.fairness import Turn
from kafka_parallel._core.finished_before import FinishedBefore
from kafka_parallel._core.lane_scope import LaneScope, LaneScopes, by_partition
from kafka_parallel._core.offset_ranges import OffsetRange, OffsetRanges
from kafka_parallel._core.offsets import OffsetLedger

P = TypeVar("P", bound=Hashable)


class Past(NamedTuple):
    """The earlier attempts at a record: the fields of `Task` with these names."""

    attempt: int
    first_failed_at_ms: float | None
    failing_since: float | None


class Assignment:
    """One uninterrupted ownership of one partition.

    :ivar partition: which partition, as the caller names it.
    :ivar id: the number of this assignment.
    :ivar ledger: its offsets.
    :ivar scope: how far its lanes reach, see ``lane_scope.py``.
    :ivar lanes: those of its scope, shared with the assignments before and after it.
    :ivar live: false once the partition was taken away, or the client has jumped back in it.
    :ivar kept_below: after a jump back, its target; -1 without one.
    :ivar successor: the assignment that has its records below that; ``None`` without one.
    :ivar leaves_at: by when the partition leaves, in seconds of the monotonic clock; ``None`` while it is to stay.
    :ivar committed: the newest offset the broker confirmed under this assignment.
    :ivar confirmed_at: when it did, in seconds of the monotonic clock.
    :ivar restart_at: where the next start would begin after a crash: the newest offset that the broker confirmed, or
        where it began; ``None`` before that is known.
    :ivar turn: where it is in the order in which records run.
    :ivar finished_before: offsets that were finished before it began, and finish on arrival.
    :ivar confirmed_finished: how many offsets were finished when the newest confirmed commit was made.
    :ivar attempts: of records that failed before, here or under an earlier assignment of this instance: offset -> the
        past of their next attempt.
    :ivar halted: offsets whose failure stopped the consumer; they stay unfinished.
    """

    __slots__ = (
        "_leader_epochs", "attempts", "committed", "confirmed_at", "confirmed_finished", "finished_before", "halted",
        "id", "kept_below", "lanes", "leaves_at", "ledger", "live", "partition", "restart_at", "scope", "successor",
        "turn",
    )  # fmt: skip

    def __init__(self, partition: Hashable, number: int, scope: Hashable, lanes: dict[Hashable, Any]) -> None:
        self.partition = partition
        self.id = number
        self.ledger = OffsetLedger()
        self.scope = scope
        self.lanes = lanes
        self.live = True
        self.kept_below = -1
        self.successor: Assignment | None = None
        self.leaves_at: float | None = None
        self.committed: int | None = None
        self.confirmed_at = 0.0
        self.restart_at: int | None = None
        self.turn = Turn()
        self.finished_before = FinishedBefore()
        self.confirmed_finished = 0
        self.attempts: dict[int, Past] = {}
        self.halted: set[int] = set()
        self._leader_epochs: list[tuple[int, int]] = []

    def __repr__(self) -> str:
        return f"{self.partition}#{self.id}"

    def owner_of(self, offset: int) -> Assignment:
        """The assignment to which its record at *offset* belongs now; from any thread."""
        found = self
        while found.successor is not None and offset < found.kept_below:
            found = found.successor
        return found

    def keeps(self, offset: int) -> bool:
        """Tell whether the outcome of its record at *offset* counts; from any thread."""
        return self.live or self.owner_of(offset).live

    @property
    def is_ours(self) -> bool:
        """True while its partition is ours without a break, although the client may have jumped back in it."""
        return self.owner_of(-1).live

    @property
    def draining(self) -> bool:
        """True if no new record is accepted."""
        return self.leaves_at is not None

    @property
    def takes_records(self) -> bool:
        """True if its records are taken in; otherwise the client passes records that it never sees."""
        return self.leaves_at is None and not self.halted

    @property
    def drained(self) -> bool:
        """True if nothing is left that could still finish."""
        return self.unfinished == 0

    @property
    def unfinished(self) -> int:
        """The number of records that could still finish."""
        return self.ledger.records - len(self.halted)

    @property
    def is_dirty(self) -> bool:
        """True if there is something to commit."""
        return self.ledger.committable is not None and self.ledger.committable != self.committed

    @property
    def has_progressed(self) -> bool:
        """True if something was finished since the newest confirmed commit was made, though it is not committable."""
        return self.ledger.finished != self.confirmed_finished

    def finished_ranges(self) -> list[OffsetRange]:
        """The offsets above the commit point that are finished, here or elsewhere, as ranges in increasing order."""
        if not self.finished_before:
            return self.ledger.finished_ranges()
        ahead = max(self.ledger.next or 0, (self.ledger.committable or 0) + 1)
        return [*OffsetRanges([*self.ledger.finished_ranges(), *self.finished_before.recorded_from(ahead)])]

    def begin_at(self, offset: int) -> None:
        """Note that the first offset to come is *offset*; those below it were finished by another consumer."""
        self.ledger.begin_at(offset)
        self.finished_before.begin_at(offset)
        if self.finished_before.leader_epoch >= 0:
            self.saw_leader_epoch(offset - 1, self.finished_before.leader_epoch)
        self.restart_at = offset if self.restart_at is None else min(offset, self.restart_at)
        self.attempts = {failed: past for failed, past in self.attempts.items() if failed >= offset}

    def confirm_commit(self, offset: int, finished: int, now: float) -> None:
        """Note that the broker confirmed a commit of *offset*, *now*; it was made when so many were *finished*."""
        self.committed = self.restart_at = offset
        self.confirmed_finished = finished
        self.confirmed_at = now

    def go_on_from(self, position: int, number: int) -> Assignment:
        """End it by a jump back to *position*, and begin the one that has its records below that, with that *number*.

        The broker may have confirmed an offset above: so nothing is confirmed of the new one. Offsets from there on
        that were finished elsewhere come again as well.
        """
        found = Assignment(self.partition, number, self.scope, self.lanes)
        found.ledger = self.ledger.below(position)
        found.leaves_at, found.attempts, found.turn = self.leaves_at, self.attempts, self.turn
        found.halted = {offset for offset in self.halted if offset < position}
        found._leader_epochs = [known for known in self._leader_epochs if known[0] < position]
        self.finished_before.jump()
        candidates = (self.restart_at, found.ledger.committable)
        found.restart_at = min(offset for offset in candidates if offset is not None)
        self.kept_below, self.successor = position, found
        self.live = False  # last: a thread that sees it asks for the others
        return found

    def finish_offset(self, offset: int) -> bool:
        """Note that *offset* needs no more work; false if that was known."""
        if self.attempts:
            self.attempts.pop(offset, None)
        return self.ledger.finish_offset(offset)

    def finish_offsets(self, offsets: Collection[int]) -> int:
        """Note that *offsets* need no more work; tell how many of them did."""
        if self.attempts:
            for offset in offsets:
                self.attempts.pop(offset, None)
        return self.ledger.finish_offsets(offsets)

    def saw_leader_epoch(self, offset: int, leader_epoch: int) -> None:
        """Note that records from *offset* on were written under *leader_epoch* (KIP-320)."""
        if not self._leader_epochs or self._leader_epochs[-1][1] != leader_epoch:
            self._leader_epochs.append((offset, leader_epoch))

    def leader_epoch_below(self, offset: int) -> int:
        """Return the leader epoch of the newest record below *offset*, -1 if unknown; forget older ones."""
        place = bisect_right(self._leader_epochs, (offset - 1, 1 << 62)) - 1
        if place < 0:
            return -1
        del self._leader_epochs[:place]
        return self._leader_epochs[0][1]


class Jump(NamedTuple, Generic[P]):
    """A jump back of the client.

    :ivar origin: the offset of the record that would have come next.
    :ivar target: the offset of the one that comes instead.
    :ivar given_up: how many records that were taken and not finished come again.
    """

    partition: P
    origin: int
    target: int
    given_up: int


# see docs/decisions/0043-flat-hot-path.md
class Assignments(Generic[P]):
    """The assignments that are live now.

    :param lane_scope: how far their lanes reach, see ``lane_scope.py``.
    :ivar with_unfinished: those that were fed and may have something left to finish. Of a thousand partitions most have
        nothing, and every round of the loop looks at each of these.
    :ivar unbegun: those of which it is not known where they begin.
    :ivar leaving: those that take in nothing more.
    """

    def __init__(self, lane_scope: LaneScope = by_partition) -> None:
        self._lane_scope = lane_scope
        self._current: dict[P, Assignment] = {}
        self.with_unfinished: dict[P, Assignment] = {}
        self.unbegun: dict[P, Assignment] = {}
        self.leaving: dict[P, Assignment] = {}
        self._last_id = 0
        self._attempts: dict[P, dict[int, Past]] = {}
        self._scopes = LaneScopes()
        self._restarts: dict[P, int | None] = {}

    def assign(self, partition: P, start: int | None = None, done: FinishedBefore | None = None) -> Assignment:
        """Begin a new assignment of *partition*; one that is still live must have been ended before.

        :param start: where it goes on after an earlier one here, whose end the broker may never have confirmed.
        :param done: the offsets that were finished before it.
        """
        if partition in self._current:
            raise ValueError(f"{partition} is already assigned")
        self._last_id += 1
        scope = self._lane_scope(partition)
        found = self._current[partition] = Assignment(partition, self._last_id, scope, self._scopes.begin(scope))
        found.finished_before = done or found.finished_before
        found.attempts = self._attempts.pop(partition, {})
        restart_at = self._restarts.pop(partition, None)
        if start is None:
            self.unbegun[partition] = found
        else:
            found.restart_at = restart_at
            found.begin_at(start)
        return found

    def advance_to(self, partition: P, position: int) -> None:
        """Note that the next offset to come of *partition* is *position*, which is no jump back."""
        assignment = self._current[partition]
        if self.unbegun.pop(partition, None) is not None:
            assignment.begin_at(position)
        assignment.ledger.advance_to(position)

    def jump_back(self, partition: P, position: int) -> Assignment:
        """Go on at *position* of *partition*, which is below the next offset to come, under a new assignment."""
        self._last_id += 1
        found = self._current[partition] = self._current[partition].go_on_from(position, self._last_id)
        for several in (self.with_unfinished, self.leaving):
            if partition in several:
                several[partition] = found
        return found

    def begin_leaving(self, partition: P, end: float) -> Assignment:
        """Take in nothing more of *partition*, which leaves at *end*."""
        assignment = self.leaving[partition] = self._current[partition]
        assignment.leaves_at = end
        return assignment

    def end_assignment(self, partition: P) -> Assignment | None:
        """End the assignment of *partition* and keep its attempts for its next one here."""
        ended = self._current.pop(partition, None)
        self.with_unfinished.pop(partition, None)
        self.unbegun.pop(partition, None)
        self.leaving.pop(partition, None)
        if ended is not None:
            ended.live = False
            self._attempts[partition] = ended.attempts
            self._restarts[partition] = ended.restart_at
            self._scopes.end(ended.scope)
        return ended

    def close_finished(self) -> None:
        """Take those out of `with_unfinished` of which nothing is left to finish."""
        for partition in [
            partition for partition, assignment in self.with_unfinished.items() if not assignment.ledger.sizes
        ]:
            del self.with_unfinished[partition]

    def failed_late(self, partition: Any, offset: int, past: Past) -> None:
        """Note an attempt at a record that is heard of after its assignment ended, for when the record comes again.

        It was decided before (see ``_runtime/handlers/verdict.py``), so plugins have counted it too.
        """
        live = self._current.get(partition)
        if live is None:
            self._attempts.setdefault(partition, {})[offset] = past
        elif live.ledger.next is None or offset >= live.ledger.next:
            live.attempts[offset] = past

    def get(self, partition: P) -> Assignment | None:
        """Return the live assignment of *partition*."""
        return self._current.get(partition)

    @property
    def partitions(self) -> frozenset[P]:
        """The partitions that are ours."""
        return frozenset(self._current)

    @property
    def live(self) -> ItemsView[P, Assignment]:
        """All live assignments, each with its partition."""
        return self._current.items()

    def select(self, partitions: Iterable[P] | None = None) -> list[tuple[P, Assignment]]:
        """Return the live assignments among *partitions* (all without it)."""
        if partitions is None:
            return list(self.live)
        return [(partition, self._current[partition]) for partition in partitions if partition in self._current]
