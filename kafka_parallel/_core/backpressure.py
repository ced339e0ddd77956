"""Decides which partitions pause and resume, and how many records the next poll may bring.

Rule 1: the state of the ledgers now counts; nothing is added up along the way.
Rule 2: a partition pauses for the first of these reasons: a plugin's throttle is closed, its next record is not due, it
holds too much (``buffer_limits.py``), or there is no room at all. It resumes by the mark of that reason.
Rule 3: a partition that holds nothing is not paused while there is any room, and some is kept free for those (see
``buffer_limits.py``): no poll may bring enough to fill it, but for one record.
Rule 4: no poll may bring more than any partition that is fetched has span left, so that nothing has to be given back:
the client would fetch it again. It may if several are fetched and that would be a handful, for they would all wait.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Generic, TypeVar, cast

from kafka_parallel._core.assignment import Assignment, Assignments
from kafka_parallel._core.buffer_limits import BufferLimits, Load, PauseRules
from kafka_parallel._core.in_flight_limits import Throttles
from kafka_parallel._core.task import Task

P = TypeVar("P", bound=Hashable)

# A handful of records: each poll may bring as many of several partitions, although one has less span left.
HANDFUL = 50


@dataclass(frozen=True, slots=True)
class Decision(Generic[P]):
    """The partitions to pause and resume now, and the state after that.

    :ivar pause: partitions to pause, each with the limit it reached.
    :ivar resume: partitions to resume.
    :ivar paused: all that are paused now.
    :ivar held: those of them that wait for the time of their next record, and that time.
    :ivar is_all_paused: whether nothing is left to be fetched.
    :ivar room: how many records the next poll may bring.
    :ivar bytes_left: how many bytes of them may be taken, the last record excepted.
    :ivar total: the load of all partitions.
    """

    pause: Mapping[P, str]
    resume: frozenset[P]
    paused: frozenset[P]
    held: Mapping[P, float]
    is_all_paused: bool
    room: int
    bytes_left: int
    total: Load


# see docs/decisions/0011-dynamic-thresholds.md
class Backpressure(Generic[P]):
    """The paused partitions, and the reason of each.

    :param commits: false for a consumer without a group.
    :ivar limits: the limits of the buffer.
    """

    def __init__(
        self, assignments: Assignments[P], throttles: Throttles, limits: BufferLimits, *, commits: bool
    ) -> None:
        self._assignments = assignments
        self._throttles = throttles
        self.limits = limits
        self._commits = commits
        self._rules = PauseRules(limits)
        self._paused: dict[P, str] = {}
        self._held: dict[P, float] = {}
        self._stretched: list[P] = []
        self._kept_out: dict[P, int] = {}
        self._under_pressure = 0.0
        self._under_pressure_since: float | None = None

    def learn_sizes(self, sizes: Iterable[int]) -> None:
        """Learn the *sizes* of the records of one poll."""
        self._rules.learn_sizes(sizes)

    def decide_pauses(self, fed: Collection[P], now: float) -> Decision[P]:
        """Decide which partitions pause and resume after *fed* partitions got records, and note it as done."""
        self._throttles.advance(now)
        self._assignments.close_finished()
        self._stretched = self._find_stretched([*self._stretched, *fed])
        self._held = held = {partition: until for partition, until in self._held.items() if until > now}
        closed_by = self._throttles.closed_by
        total = self.total()
        room, reserve = self._rules.room(total) if closed_by is None else 0, self._reserve
        pause: dict[P, str] = {}
        # A jump may widen a span as well, without a record.
        candidates = [*fed, *held, *self._stretched]
        candidates += () if room > reserve else self._assignments.with_unfinished
        for partition, assignment in self._assignments.select(dict.fromkeys(candidates) if room else None):
            reason = closed_by or ("not due" if partition in held else None)
            reason = reason or self._rules.pause_reason(self._load(partition, assignment), total, reserve)
            reason = reason or (None if room else self._rules.full_reason(total))
            if reason is not None and partition not in self._paused:
                pause[partition] = reason
        resume = frozenset(
            partition
            for partition, assignment in self._assignments.select(self._paused if closed_by is None else ())
            if partition not in held and self._may_resume(partition, assignment, total)
        )
        self._paused = {partition: why for partition, why in self._paused.items() if partition not in resume} | pause
        self._count_time(now)
        paused, left = self.paused, self.limits.bytes - total.bytes
        is_all_paused = bool(paused) and paused >= self._assignments.partitions
        most = min(room, self._span_left, max(1, room - reserve))
        return Decision(pause, resume, paused, held, is_all_paused, most, left, total)

    def _count_time(self, now: float) -> None:
        """Count the time until *now* if a partition was paused, and go on counting if one is."""
        if (since := self._under_pressure_since) is not None:
            self._under_pressure += now - since
        self._under_pressure_since = now if self._paused else None

    def time_under_pressure(self, now: float) -> float:
        """The seconds until *now* in which at least one partition was paused."""
        since = self._under_pressure_since
        return self._under_pressure + (0.0 if since is None or not self._paused else now - since)

    # see docs/decisions/0007-count-from-confirmed-commit.md
    def fitting(self, assignment: Assignment, tasks: Sequence[Task]) -> Sequence[Task]:
        """The first of *tasks* that the partition's span has room for, and note which is the first that it has not."""
        base, partition = self._base(assignment), cast("P", assignment.partition)
        self._kept_out.pop(partition, None)
        if not tasks:
            return tasks
        if base is None or base >= (assignment.ledger.end or 0):  # all before is committed, and no part of the span
            base = tasks[0].offset
        end = base + self.limits.uncommitted
        if tasks[-1].offset < end:
            return tasks
        first = bisect_left(tasks, end, key=attrgetter("offset"))
        self._kept_out[partition] = tasks[first].offset
        return tasks[:first]

    def defer(self, partition: P, until: float) -> None:
        """Fetch nothing more of *partition* before *until*: its next record is not due."""
        if self._assignments.get(partition) is not None:
            self._held[partition] = until

    def jumped_back(self, partition: P) -> None:
        """Wait for no record of *partition* that was to come: others come before."""
        self._kept_out.pop(partition, None)
        self.defer(partition, 0.0)

    @property
    def is_idle(self) -> bool:
        """True if nothing is buffered and no partition waits for the time of its next record."""
        return not self._held and self.total().records == 0

    @property
    def may_bring_more(self) -> bool:
        """True if some paused partition may resume."""
        if self._throttles.closed_by is not None:
            return False
        total = self.total()
        paused = self._assignments.select(self._paused)
        return any(
            partition not in self._held and self._may_resume(partition, assignment, total)
            for partition, assignment in paused
        )

    # see docs/decisions/0012-resume-marks.md
    def _may_resume(self, partition: P, assignment: Assignment, total: Load) -> bool:
        load = self._load(partition, assignment)
        return self._rules.may_resume(self._paused[partition], load, total, self._reserve)

    @property
    def _reserve(self) -> int:
        """The records kept free for partitions that hold nothing; a partition that is alone needs none."""
        assigned = len(self._assignments.live)
        return self._rules.reserve(assigned - len(self._assignments.with_unfinished)) if assigned > 1 else 0

    # see docs/decisions/0007-count-from-confirmed-commit.md
    def commit_makes_room(self) -> bool:
        """Tell whether a commit would make room: finished records fill half of a partition's span, or all is finished
        in one from which records are kept out."""
        if not self._commits:
            return False
        return any(
            finished >= self.limits.uncommitted // 2 or (partition in self._kept_out and not assignment.ledger.sizes)
            for partition, assignment in self._assignments.select(self._stretched)
            if (finished := (assignment.ledger.committable or 0) - (self._base(assignment) or 0)) > 0
        )

    def _find_stretched(self, partitions: Iterable[P]) -> list[P]:
        """Find those of *partitions* whose span is half of the limit or more. Only new records can widen one."""
        half, found = self.limits.uncommitted // 2, self._assignments.select(dict.fromkeys(partitions))
        return [partition for partition, assignment in found if self._load(partition, assignment).span >= half]

    @property
    def _span_left(self) -> int:
        """How many records a poll may bring, so that no partition that is fetched gets more than its span has room for.

        One that is not stretched has room for at least half of the limit.
        """
        most, stretched = self.limits.uncommitted, self._assignments.select(self._stretched)
        spans = [self._load(p, assignment).span for p, assignment in stretched if p not in self._paused]
        left = min([most - most // 2, *(most - span for span in spans)])
        is_alone = len(self._assignments.partitions) - len(self._paused) <= 1
        return left if is_alone else max(left, min(HANDFUL, most))

    def load(self, assignment: Assignment) -> Load:
        """The load of one partition; its span counts from where a crash would begin again, if there are commits."""
        ledger, base = assignment.ledger, self._base(assignment)
        span = 0 if base is None or ledger.end is None else max(0, ledger.end - base)
        return Load(ledger.records, ledger.bytes, span)

    def _load(self, partition: P, assignment: Assignment) -> Load:
        """The same; a record that was kept out stands where the span ends, unless all before it is committed."""
        load, kept_out = self.load(assignment), self._kept_out.get(partition)
        if kept_out is None or load.span == 0:
            return load
        return load._replace(span=kept_out - (self._base(assignment) or 0))

    def _base(self, assignment: Assignment) -> int | None:
        """The begin of the span; without commits, at the lowest unfinished offset."""
        return assignment.restart_at if self._commits else assignment.ledger.committable

    def total(self) -> Load:
        """The load of all partitions together."""
        ledgers = [assignment.ledger for assignment in self._assignments.with_unfinished.values()]
        return Load(sum(ledger.records for ledger in ledgers), sum(ledger.bytes for ledger in ledgers))

    @property
    def reasons(self) -> dict[P, str]:
        """The partitions that are paused, each with the limit that it reached or the plugin that lets nothing start."""
        return dict(self._paused)

    @property
    def held_until(self) -> dict[P, float]:
        """The partitions whose next record is not due, each with the time of that."""
        return dict(self._held)

    @property
    def paused(self) -> frozenset[P]:
        """The partitions that are paused."""
        return frozenset(self._paused)

    def forget(self, partition: P) -> bool:
        """Forget a partition that leaves; tell whether it was paused."""
        self._held.pop(partition, None)
        self._kept_out.pop(partition, None)
        return self._paused.pop(partition, None) is not None
