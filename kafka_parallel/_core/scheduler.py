"""The state of one consumer between ``poll()`` and commit: the records that come and leave, and the offsets that may be
committed.

Rule 1: every method, here and in its parts, is one atomic act. It does no I/O, calls no user code and never waits; its
caller holds the lock.
Rule 2: counters are derived: the buffered records are those of the ledgers, the records in flight are those of the
chunks.
Rule 3: leaving takes three acts. `drain` stops intake and drops the records that never started, except below the
highest one that did start: those still run, because otherwise everything finished above them would be repeated. Nothing
is waited for that cannot run before the partition leaves. `is_drained` tells when that is done. `end_assignments` gives
up the rest.
Rule 4: a commit is computed from one `CommitSnapshot` and marked as done with the same one.
Rule 5: `learn_positions` is told a position only when all records below it were fed or will never come. So it may be
taken after the records of a poll were fed, or were given back to be fetched again; never between `poll()` and that.

Its parts: the assignments with their ledgers; the backlog (``backlog.py``), from which ``dispatch.py`` hands out;
``backpressure.py``; ``commit_schedule.py``; the throttles of plugins.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar, cast

from kafka_parallel._core.assignment import Assignment, Assignments, Jump
from kafka_parallel._core.backlog import Backlog
from kafka_parallel._core.backpressure import Backpressure
from kafka_parallel._core.batch_queue import BatchLimits
from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import CommitRules, CommitSchedule
from kafka_parallel._core.dispatch import Dispatch
from kafka_parallel._core.finished_before import FinishedBefore
from kafka_parallel._core.in_flight_limits import Throttles
from kafka_parallel._core.lane_scope import LaneScope, by_partition
from kafka_parallel._core.progress import AssignmentProgress, progress
from kafka_parallel._core.standstill import Standing, standing
from kafka_parallel._core.task import Task
from kafka_parallel._core.times import NEVER

if TYPE_CHECKING:
    from kafka_parallel._core.offset_ranges import OffsetRange

P = TypeVar("P", bound=Hashable)


@dataclass(frozen=True, slots=True)
class CommitSnapshot(Generic[P]):
    """The offsets of one commit.

    :ivar offsets: the offset and leader epoch to commit, per partition.
    :ivar assignments: the assignment each of them belongs to.
    :ivar finished: how many offsets of each were finished then.
    :ivar finished_above: which offsets above the one to commit were finished then; empty if that is not kept.
    """

    offsets: Mapping[P, tuple[int, int]]
    assignments: Mapping[P, Assignment]
    finished: Mapping[P, int]
    finished_above: Mapping[P, Sequence[OffsetRange]]

    @property
    def advances(self) -> frozenset[P]:
        """The partitions of which finished records would be repeated without this commit: it does not just renew."""
        return frozenset(
            partition
            for partition, (offset, _) in self.offsets.items()
            if offset != (assignment := self.assignments[partition]).restart_at
            or (partition in self.finished_above and self.finished[partition] != assignment.confirmed_finished)
        )


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of one assignment.

    :ivar resume_at: its first offset that is not finished.
    :ivar restart_at: the newest offset that the broker confirmed, or where it began; ``None`` before that is known.
    :ivar running: how many records were being handled.
    :ivar unbegun: how many more were taken in, and needed, and not begun.
    """

    resume_at: int | None
    restart_at: int | None
    running: int
    unbegun: int
    was_paused: bool


class Repeated(NamedTuple):
    """Finished records that will run again, because one below them waits for longer than its partition stays.

    :ivar offset: the offset of the one that waits.
    :ivar records: how many above it are finished.
    """

    offset: int
    records: int


# see docs/decisions/0001-one-lock-one-owner.md
class Scheduler(Generic[P]):
    """The state of one consumer's records.

    :param limits: the limits of the buffer.
    :param commits: when commits are due; ``None`` for a consumer without a group.
    :param batches: when a batch is given out; ``None`` if records run one by one.
    :param lane_scope: how far a lane reaches: partitions for which it returns the same share their lanes.
    :ivar throttles: the bounds set by plugins.
    :ivar dispatch: gives tasks to workers, and takes in their outcomes.
    :ivar backpressure: which partitions pause and resume.
    :ivar commits: whether a commit is due, and why.
    :ivar jumps: those back that were learnt of and not told yet.
    """

    def __init__(
        self,
        limits: BufferLimits,
        *,
        commits: CommitRules | None,
        batches: BatchLimits | None = None,
        lane_scope: LaneScope = by_partition,
    ) -> None:
        self._assignments: Assignments[P] = Assignments(lane_scope)
        self.throttles = Throttles()
        self._backlog = Backlog(batches, self.throttles.parked)
        self.dispatch = Dispatch(self._backlog, self.throttles, self._assignments)
        self.backpressure = Backpressure(self._assignments, self.throttles, limits, commits=commits is not None)
        self.jumps: list[Jump[P]] = []
        self.commits = CommitSchedule(commits, self.backpressure, self.dispatch.totals)

    # Intake

    def assign(
        self,
        partitions: Iterable[P],
        done: Mapping[P, FinishedBefore] | None = None,
        starts: Mapping[P, int] | None = None,
    ) -> None:
        """Begin assignments of *partitions*.

        The offsets in *done* finish on arrival. *starts* tells where some of them go on after an earlier assignment
        here: everything below is finished, although the broker may never have confirmed it.
        """
        for partition in partitions:
            found = (done or {}).get(partition) or FinishedBefore()
            self._assignments.assign(partition, (starts or {}).get(partition), found)

    # see docs/decisions/0008-commit-the-start-first.md
    # see docs/decisions/0059-commit-the-position.md
    def learn_positions(self, positions: Mapping[P, int], sought: Iterable[P] = ()) -> CommitSnapshot[P]:
        """Learn where the client is: the offset of each partition's next record, about to be fed or still to come.

        A jump back (a seek, a reset) ends the assignment and begins a new one. If records are not taken in, the client
        passes some that are never fed: its position there says nothing unless it is such a jump.

        *sought* tells in which partitions the user has jumped since the last call, or the last of `feed`.

        :returns: where assignments are whose start is due to be committed: nothing is confirmed of them.
        """
        self._forget_finished_before(sought)
        found = self._assignments.select(positions)
        for partition, assignment in found:
            if positions[partition] < (assignment.ledger.next or 0):
                self._jump_back(partition, assignment, positions[partition])
            elif assignment.takes_records:
                self._assignments.advance_to(partition, positions[partition])
        now = [(p, assignment) for p, assignment in self._assignments.select(positions) if assignment.takes_records]
        return self._snapshot_of(self.commits.starts(now))

    # see docs/decisions/0082-seek-keeps-what-is-below.md
    def _jump_back(self, partition: P, assignment: Assignment, position: int) -> None:
        """Go on at *position* of *partition*. Records below it that were taken go on and hold the commit point; those
        from there on are given up, and come again.

        Reasons for a pause are looked at anew, but no record is waited for.
        """
        self.dispatch.reclaim()
        taken = assignment.unfinished
        successor = self._assignments.jump_back(partition, position)
        self._backlog.drop_above({assignment: position - 1})
        self.dispatch.totals.abandoned += assignment.unfinished - successor.unfinished
        self.jumps.append(Jump(partition, assignment.ledger.next or 0, position, taken - successor.unfinished))
        for task in (*self._backlog.tasks_of([assignment]), *self.dispatch.held()):
            task.follow()
        self.backpressure.jumped_back(partition)

    def feed(
        self,
        fetched: Mapping[P, Sequence[Task]],
        leader_epochs: Mapping[P, Iterable[tuple[int, int]]],
        sought: Iterable[P] = (),
        log_ends: Mapping[P, int] | None = None,
    ) -> dict[P, int]:
        """Take in new tasks, in offset order per partition; those of partitions that are not ours are ignored.

        Records above one that stopped the consumer are ignored too: those between them were dropped.

        *leader_epochs* tells from which offset on which leader epoch holds (KIP-320), *sought* in which partitions the
        user has jumped since the last call, or the last of `learn_positions`, *log_ends* where logs ended when the
        tasks were fetched, as far as known.

        :returns: where `max_uncommitted` keeps records out: the offset from which on they have to be fetched again.
        """
        kept_out = {}
        self._forget_finished_before(sought)
        for partition, tasks in fetched.items():
            assignment = self._assignments.get(partition)
            if assignment is not None and assignment.takes_records:
                self._assignments.with_unfinished[partition] = assignment
                fitting = self.backpressure.fitting(assignment, tasks)
                if fitting and assignment.finished_before:
                    epoch, log_end = _first_epoch(leader_epochs.get(partition, ())), (log_ends or {}).get(partition)
                    assignment.finished_before.begin_with(fitting[0].offset, epoch, log_end)
                if len(fitting) < len(tasks):
                    kept_out[partition] = tasks[len(fitting)].offset
                self._backlog.feed(assignment, fitting, len(self._assignments.with_unfinished) - 1)
                for offset, leader_epoch in leader_epochs.get(partition, ()):
                    assignment.saw_leader_epoch(offset, leader_epoch)
        self.backpressure.learn_sizes([task.size for tasks in fetched.values() for task in tasks])
        return kept_out

    def _forget_finished_before(self, sought: Iterable[P]) -> None:
        for _, left in self._assignments.select(sought):
            left.finished_before.jump()

    # Leaving

    # see docs/decisions/0006-fill-holes-before-leaving.md
    # see docs/decisions/0023-no-wait-for-late-work.md
    def drain(self, partitions: Iterable[P] | None = None, end: float = NEVER, now: float = 0.0) -> dict[P, Repeated]:
        """Take in nothing more for *partitions* (all without it), which leave at *end*.

        Records that need not run any more are dropped, and so are those that cannot run before *end*: a retry that
        falls due later or a record that its rate lets start later, everything above it (which will be repeated anyway),
        all of it while a throttle stays closed.

        :returns: partitions in which finished records stand above dropped ones, and will run again.
        """
        self.dispatch.reclaim()
        leaving = [
            self._assignments.begin_leaving(partition, end) for partition, _ in self._assignments.select(partitions)
        ]
        unstarted = self._backlog.unstarted(leaving)
        ceilings = {assignment: self._highest_started(assignment, idle) for assignment, idle in unstarted.items()}
        needed = [task for idle in unstarted.values() for task in idle if task.offset <= ceilings[task.assignment]]
        for task in (*self._backlog.retries.after(end), *self.throttles.rates.late(needed, now, end)):
            if task.assignment in ceilings:
                ceilings[task.assignment] = min(ceilings[task.assignment], task.offset - 1)
        if self.throttles.is_closed_until(end):
            ceilings = dict.fromkeys(ceilings, -1)
        ceilings = self._backlog.with_those_behind(ceilings, end)
        repeated = {
            cast("P", assignment.partition): self._repeated(assignment, ceilings[assignment], idle)
            for assignment, idle in unstarted.items()
            if not assignment.halted
        }
        self._backlog.drop_above(ceilings)
        if self.commits.tells_finished_above:
            return {}  # the commit says that they are finished
        return {partition: found for partition, found in repeated.items() if found.records}

    @staticmethod
    def _repeated(assignment: Assignment, ceiling: int, unstarted: Iterable[Task]) -> Repeated:
        """Count the finished records above the lowest dropped one, which is of *unstarted* and above *ceiling*."""
        lowest = min((task.offset for task in unstarted if task.offset > ceiling), default=None)
        return Repeated(-1, 0) if lowest is None else Repeated(lowest, assignment.ledger.finished_from(lowest))

    def is_drained(self, partitions: Iterable[P] | None = None) -> bool:
        """Tell whether nothing of *partitions* (all without it) can still finish."""
        return all(assignment.drained for _, assignment in self._assignments.select(partitions))

    def end_assignments(self, partitions: Iterable[P]) -> dict[P, Ended]:
        """End the assignments of *partitions*. Records that still run will change nothing any more."""
        leaving = dict(self._assignments.select(partitions))
        unfinished = {assignment: assignment.unfinished for assignment in leaving.values()}
        running = self._give_up(leaving)
        return {
            partition: Ended(
                assignment.ledger.committable, assignment.restart_at, running[assignment],
                unfinished[assignment] - running[assignment], self.backpressure.forget(partition),
            )
            for partition, assignment in leaving.items()
        }  # fmt: skip

    def _give_up(self, assignments: Mapping[P, Assignment]) -> dict[Assignment, int]:
        """End *assignments*; tell how many records of each are being handled."""
        self.dispatch.reclaim()
        self._backlog.drop_above(dict.fromkeys(assignments.values(), -1))
        for partition in assignments:
            self._assignments.end_assignment(partition)
        self.dispatch.totals.abandoned += sum(assignment.unfinished for assignment in assignments.values())
        behind = self.dispatch.behind()
        return {assignment: max(0, assignment.unfinished - behind[assignment]) for assignment in assignments.values()}

    @staticmethod
    def _highest_started(assignment: Assignment, unstarted: list[Task]) -> int:
        """The highest offset that ran or runs, -1 if there is none; nothing is needed above one that stopped us."""
        if assignment.halted:
            return min(assignment.halted)
        idle = {task.offset for task in unstarted}
        running = max((offset for offset in assignment.ledger.sizes if offset not in idle), default=-1)
        finished = assignment.ledger.highest_finished
        return running if finished is None else max(running, finished)

    # Commits

    # see docs/decisions/0005-commit-one-snapshot.md
    # see docs/decisions/0060-commit-unchanged-offsets.md
    def snapshot(self, partitions: Iterable[P] | None = None, renewed_at: float | None = None) -> CommitSnapshot[P]:
        """Return the offsets to commit now for *partitions* (all without it): only those where something changed.

        :param renewed_at: the time, if unchanged offsets are to be committed again where that is due.
        """
        held = self.commits.select_to_commit(self._assignments.select(partitions), renewed_at)
        return self._snapshot_of(held)

    def _snapshot_of(self, held: Mapping[P, Assignment]) -> CommitSnapshot[P]:
        """Take all that a commit says of *held* in one act: of two, the second would know of what finished between."""
        return CommitSnapshot(
            {partition: self._position(assignment) for partition, assignment in held.items()},
            held,
            {partition: assignment.ledger.finished for partition, assignment in held.items()},
            {partition: assignment.finished_ranges() for partition, assignment in held.items()}
            if self.commits.tells_finished_above
            else {},
        )

    @staticmethod
    def _position(assignment: Assignment) -> tuple[int, int]:
        offset = assignment.ledger.committable
        if offset is None:
            raise ValueError(f"{assignment} has no offset to commit")
        return offset, assignment.leader_epoch_below(offset)

    @staticmethod
    def confirm_commit(snapshot: CommitSnapshot[P], now: float = 0.0) -> None:
        """Note that the broker confirmed *snapshot*, *now*."""
        for partition, (offset, _) in snapshot.offsets.items():
            snapshot.assignments[partition].confirm_commit(offset, snapshot.finished[partition], now)

    # Questions

    @property
    def wants_more(self) -> bool:
        """True if workers have run out of work and some paused partition may bring more."""
        return not self._backlog.ready and self.backpressure.may_bring_more

    @property
    def assigned(self) -> frozenset[P]:
        """The partitions that are ours."""
        return self._assignments.partitions

    @property
    def unbegun(self) -> frozenset[P]:
        """The assigned partitions of which the first offset is not known yet."""
        return frozenset(self._assignments.unbegun)

    def expected(self) -> dict[P, int]:
        """The lowest offset that may still come, of each partition of which it is known."""
        found = ((partition, assignment.ledger.next) for partition, assignment in self._assignments.live)
        return {partition: offset for partition, offset in found if offset is not None}

    def foreign(self, partitions: Iterable[P]) -> list[P]:
        """Those of *partitions* that are not assigned to this consumer."""
        return [partition for partition in partitions if self._assignments.get(partition) is None]

    @property
    def live_assignments(self) -> dict[P, Assignment]:
        """The assignments of now, each with its partition."""
        return dict(self._assignments.live)

    def committed_and_uncommitted(self) -> tuple[dict[P, int], dict[P, int]]:
        """Return the committed offset and the uncommitted span of each partition that has them."""
        live = self._assignments.live
        committed = {p: assignment.committed for p, assignment in live if assignment.committed is not None}
        return committed, {p: self.backpressure.load(assignment).span for p, assignment in live}

    def progress(self) -> dict[P, AssignmentProgress]:
        """How far each partition is."""
        return progress(self._assignments, self.backpressure, self.dispatch, self._backlog)

    def unfinished(self) -> dict[P, int]:
        """The lowest unfinished offset of each partition that has one."""
        heads = {
            p: next(iter(assignment.ledger.sizes), None) for p, assignment in self._assignments.with_unfinished.items()
        }
        return {partition: offset for partition, offset in heads.items() if offset is not None}

    def standing(self, partition: P, now: float) -> Standing | None:
        """Describe the record that holds the commit point of *partition*; ``None`` if nothing of it is unfinished."""
        assignment = self._assignments.get(partition)
        if assignment is None:
            return None
        return standing(assignment, self.dispatch, self._backlog, self.throttles, now)


def _first_epoch(leader_epochs: Iterable[tuple[int, int]]) -> int | None:
    return next((leader_epoch for _, leader_epoch in leader_epochs), None)
