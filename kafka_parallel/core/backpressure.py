"""Which partitions pause and resume, and how much the next poll may bring.

Rule 1: what counts is the state of the ledgers now; nothing is added up along the way.
Rule 2: a partition pauses for the first of these reasons: a plugin's throttle is closed, its next record is not due, it
holds too much (``pressure.py``), or there is no room at all. It resumes when none is left.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from kafka_parallel.core.assignment import Assignment, Assignments
from kafka_parallel.core.pressure import Limits, Load, Pressure
from kafka_parallel.core.throttle import Throttles

P = TypeVar("P", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Decision(Generic[P]):
    """What to pause and resume now, and what holds after that.

    :ivar pause: partitions to pause, each with the limit it reached.
    :ivar resume: partitions to resume.
    :ivar paused: all that are paused now.
    :ivar held: those of them that wait for the time of their next record, and that time.
    :ivar is_all_paused: whether nothing is left to be fetched.
    :ivar room: how many records the next poll may bring.
    :ivar bytes_left: how many bytes of them may be taken, the last record excepted.
    :ivar total: what is buffered.
    """

    pause: Mapping[P, str]
    resume: frozenset[P]
    paused: frozenset[P]
    held: Mapping[P, float]
    is_all_paused: bool
    room: int
    bytes_left: int
    total: Load


class Backpressure(Generic[P]):
    """What is paused, and why.

    :param commits: false for a consumer without a group.
    """

    def __init__(self, assignments: Assignments[P], throttles: Throttles, limits: Limits, *, commits: bool) -> None:
        self._assignments = assignments
        self._throttles = throttles
        self._limits = limits
        self._commits = commits
        self._pressure = Pressure(limits)
        self._paused: dict[P, str] = {}
        self._held: dict[P, float] = {}
        self._stretched: list[P] = []

    def saw(self, sizes: Iterable[int]) -> None:
        """Learn the *sizes* of the records of one poll."""
        self._pressure.saw(sizes)

    def decide(self, fed: Collection[P], now: float) -> Decision[P]:
        """Decide what to pause and resume after *fed* partitions got records, and note it as done."""
        self._throttles.advance(now)
        self._assignments.close_finished()
        self._stretched = self._find_stretched([*self._stretched, *fed])
        self._held = held = {partition: until for partition, until in self._held.items() if until > now}
        closed_by = self._throttles.closed_by
        total = self.total()
        room = self._pressure.room(total) if closed_by is None else 0
        pause = {}
        for partition, assignment in self._assignments.select([*dict.fromkeys([*fed, *held])] if room else None):
            reason = closed_by or ("not due" if partition in held else None)
            reason = reason or self._pressure.pause_reason(self.load(assignment), total)
            reason = reason or (None if room else "records")
            if reason is not None and partition not in self._paused:
                pause[partition] = reason
        resume = frozenset(
            partition
            for partition, assignment in self._assignments.select(self._paused if closed_by is None else ())
            if partition not in held and self._pressure.may_resume(self.load(assignment), total)
        )
        self._paused = {partition: why for partition, why in self._paused.items() if partition not in resume} | pause
        paused, left = self.paused, self._limits.bytes - total.bytes
        is_all_paused = bool(paused) and paused >= self._assignments.partitions
        return Decision(pause, resume, paused, held, is_all_paused, room, left, total)

    def hold(self, partition: P, until: float) -> None:
        """Fetch nothing more of *partition* before *until*: its next record is not due."""
        if self._assignments.get(partition) is not None:
            self._held[partition] = until

    @property
    def is_idle(self) -> bool:
        """Whether nothing is buffered and no partition waits for the time of its next record."""
        return not self._held and self.total().records == 0

    @property
    def may_bring_more(self) -> bool:
        """Whether some paused partition may resume."""
        if self._throttles.closed_by is not None:
            return False
        total = self.total()
        paused = self._assignments.select(self._paused)
        return any(
            partition not in self._held and self._pressure.may_resume(self.load(assignment), total)
            for partition, assignment in paused
        )

    def is_commit_urgent(self) -> bool:
        """Tell whether finished records fill half of some partition's span, so that a commit would make room."""
        return any(
            (assignment.ledger.committable or 0) - assignment.committed >= self._limits.uncommitted // 2
            for _, assignment in self._assignments.select(self._stretched)
            if assignment.committed is not None
        )

    def _find_stretched(self, partitions: Iterable[P]) -> list[P]:
        """Which of *partitions* have a span that fills half of what it may be. Only records that come can widen one."""
        if not self._commits:
            return []
        half, found = self._limits.uncommitted // 2, self._assignments.select(dict.fromkeys(partitions))
        return [partition for partition, assignment in found if self.load(assignment).span >= half]

    def load(self, assignment: Assignment) -> Load:
        """What one partition holds; its span counts from the confirmed commit, if there are commits."""
        ledger = assignment.ledger
        committed = assignment.committed if self._commits else None
        span = ledger.span if committed is None or ledger.next is None else ledger.next - committed
        return Load(ledger.records, ledger.bytes, span)

    def total(self) -> Load:
        """What all partitions together hold."""
        ledgers = [assignment.ledger for assignment in self._assignments.open.values()]
        return Load(sum(ledger.records for ledger in ledgers), sum(ledger.bytes for ledger in ledgers))

    @property
    def paused(self) -> frozenset[P]:
        """The partitions that are paused."""
        return frozenset(self._paused)

    def forget(self, partition: P) -> bool:
        """Forget a partition that leaves; tell whether it was paused."""
        self._held.pop(partition, None)
        return self._paused.pop(partition, None) is not None
