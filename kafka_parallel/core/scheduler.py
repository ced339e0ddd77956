"""What happens to a record between ``poll()`` and commit: the rules of the other core files put together.

Rule 1: every method is one atomic act. It does no I/O, calls no user code and never waits; its caller holds the lock.
Rule 2: counters are derived: what is buffered is what the ledgers hold, what is in flight is what the chunks hold.
Rule 3: leaving takes three acts. `drain` stops intake and drops what never started, except below the highest record
that did start: those still run, because otherwise everything finished above them would be repeated. Nothing is waited
for that cannot run before the partition leaves. `is_drained` tells when that is done. `end` gives up the rest.
Rule 4: a commit is computed from one `Snapshot` and marked as done with the same one.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from kafka_parallel.core.assignment import Assignment, Assignments
from kafka_parallel.core.batching import BatchLimits, BatchQueue
from kafka_parallel.core.chunk import BatchChunk, Chunk, Collected, Failure, Outcome, TaskBatch
from kafka_parallel.core.ordering import ReadyQueue, Unit
from kafka_parallel.core.pressure import Limits, Load, Pressure
from kafka_parallel.core.retries import Retries
from kafka_parallel.core.task import Task
from kafka_parallel.core.throttle import UNBOUNDED, Throttles
from kafka_parallel.values import Retry, Skip

P = TypeVar("P", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[P]):
    """What one commit says.

    :ivar offsets: the offset and leader epoch to commit, per partition.
    :ivar assignments: the assignment each of them belongs to.
    """

    offsets: Mapping[P, tuple[int, int]]
    assignments: Mapping[P, Assignment]


@dataclass(frozen=True, slots=True)
class Decision(Generic[P]):
    """What to pause and resume now, and what holds after that.

    :ivar pause: partitions to pause, each with the limit it reached.
    :ivar resume: partitions to resume.
    :ivar paused: all that are paused now.
    :ivar held: those of them that wait for the time of their next record, and that time.
    :ivar is_all_paused: whether nothing is left to be fetched.
    :ivar room: how many records the next poll may bring.
    :ivar total: what is buffered.
    """

    pause: Mapping[P, str]
    resume: frozenset[P]
    paused: frozenset[P]
    held: Mapping[P, float]
    is_all_paused: bool
    room: int
    total: Load


@dataclass(frozen=True, slots=True)
class Ended:
    """How one assignment ended: where its next owner starts, and how many records still run."""

    resume_at: int | None
    abandoned: int
    was_paused: bool


@dataclass(slots=True)
class Totals:
    """What only ever grows."""

    processed: int = 0
    failed: int = 0
    retried: int = 0
    skipped: int = 0
    abandoned: int = 0


class Scheduler(Generic[P]):
    """The state of one consumer's records.

    :param limits: what may be buffered.
    :param commits: false for a consumer without a group.
    :param batches: when a batch is given out; ``None`` if records run one by one.
    :ivar throttles: what plugins allow.
    """

    def __init__(self, limits: Limits, *, commits: bool, batches: BatchLimits | None = None) -> None:
        self._limits = limits
        self._commits = commits
        self._assignments: Assignments[P] = Assignments()
        self._ready: ReadyQueue | BatchQueue = ReadyQueue() if batches is None else BatchQueue(batches)
        self._retries = Retries()
        self.throttles = Throttles()
        self._pressure = Pressure(limits)
        self._overdue: dict[Hashable, list[tuple[Unit, Task, Outcome]]] = {}
        self._returned: set[Hashable] = set()
        self._chunks: dict[Chunk, None] = {}  # a set whose order does not depend on addresses
        self._paused: dict[P, str] = {}
        self.totals = Totals()

    # Intake

    def assign(
        self,
        partitions: Iterable[P],
        done: Mapping[P, Collection[int]] | None = None,
        starts: Mapping[P, int] | None = None,
    ) -> None:
        """Begin assignments of *partitions*.

        The offsets in *done* finish on arrival. *starts* tells where some of them go on after an earlier assignment
        here: everything below is finished, although the broker may never have confirmed it.
        """
        for partition in partitions:
            assignment = self._assignments.assign(partition)
            assignment.done = (done or {}).get(partition, ())
            if starts and partition in starts:
                assignment.begin(starts[partition])

    def begin(self, firsts: Mapping[P, int]) -> Snapshot[P]:
        """Learn at which offsets the next records begin; return where assignments are that nothing is confirmed of.

        A jump back (a seek, a reset) ends the assignment and begins a new one. The snapshot is for whoever has to
        commit where an assignment begins before anything of it is handled.
        """
        back = [p for p, assignment in self._assignments.select(firsts) if firsts[p] < (assignment.ledger.next or 0)]
        if back:
            self.end(back)
            self.assign(back)
        assignments = self._assignments.select(firsts)
        for partition, assignment in assignments:
            if assignment.ledger.next is None:
                assignment.begin(firsts[partition])
        new = {partition: assignment for partition, assignment in assignments if assignment.committed is None}
        return Snapshot({partition: self._position(assignment) for partition, assignment in new.items()}, new)

    @staticmethod
    def put_off(starts: Snapshot[P]) -> None:
        """Take back that the assignments of *starts* have begun; nothing was fed to them yet."""
        for assignment in starts.assignments.values():
            assignment.put_off()

    def feed(self, batch: Mapping[P, Sequence[Task]], leader_epochs: Mapping[P, Iterable[tuple[int, int]]]) -> None:
        """Take in new tasks, in offset order per partition; those of partitions that are not ours are ignored.

        *leader_epochs* tells from which offset on which leader epoch holds (KIP-320).
        """
        for partition, tasks in batch.items():
            assignment = self._assignments.get(partition)
            if assignment is not None and not assignment.draining:
                self._feed(assignment, tasks)
                for offset, leader_epoch in leader_epochs.get(partition, ()):
                    assignment.saw_leader_epoch(offset, leader_epoch)
        self._pressure.saw(task.size for tasks in batch.values() for task in tasks)

    def _feed(self, assignment: Assignment, tasks: Sequence[Task]) -> None:
        add, ready, lanes = assignment.ledger.add, self._ready.add, assignment.lanes
        for task in tasks:
            task.assignment = assignment
            add(task.offset, task.size)
            if assignment.attempts and task.offset in assignment.attempts:
                task.recall(assignment.attempts[task.offset])
            if task.offset in assignment.done:
                assignment.ledger.finish(task.offset)
            else:
                ready(task, lanes)

    # Work

    def take(self, limit: int, now: float) -> Chunk | None:
        """Take at most *limit* tasks that may run now, from another chunk if need be; or a whole batch."""
        self.throttles.advance(now)
        for task in self._retries.due(now, self.throttles.retries):
            self._ready.again(task)
        chunk = self._next_chunk(limit, now)
        if chunk is not None:
            self._chunks[chunk] = None
        return chunk

    def _next_chunk(self, limit: int, now: float) -> Chunk | None:
        ready = self._ready
        if isinstance(ready, BatchQueue):
            batch = self.throttles.pace.take_batch(ready, self._room, now)
            return BatchChunk(batch) if batch else None
        units = self.throttles.pace.take(ready, int(min(limit, self._room)), now) or self._steal(limit)
        return Chunk(units) if units else None

    @property
    def _room(self) -> float:
        """How many more tasks plugins let be in flight."""
        bound = self.throttles.in_flight
        return bound if bound == UNBOUNDED else max(0.0, bound - self.in_flight)

    def _steal(self, limit: int) -> list[Unit]:
        victim = max(self._chunks, key=lambda chunk: chunk.unclaimed, default=None)
        return victim.steal(limit) if victim is not None and victim.unclaimed else []

    def finish(self, chunk: Chunk, now: float) -> list[tuple[Task, Failure]]:
        """Take in what *chunk* has settled so far; return the records that stop the consumer."""
        found = self._settle_all(chunk, now)
        for unit, task, outcome in found.ended:
            self._release(unit, task, outcome)
        return found.failures

    def collect(self, now: float) -> list[tuple[Task, Failure]]:
        """Take in what all workers have settled: one that is at a slow record has not handed over those before it."""
        chunks = [chunk for chunk in self._chunks if chunk.is_collectable]
        return [failure for chunk in chunks for failure in self.finish(chunk, now)]

    def _settle_all(self, chunk: Chunk, now: float, *, is_overdue: bool = False) -> Collected:
        """Take in what *chunk* has settled; the lanes of the units that ended are still held."""
        found = chunk.collect()
        for task in found.behind:
            self._count_attempt(task)
        for unit, task, _ in found.ended:
            self._put_back(chunk, unit, task)
        self._retries.ended(task for task, _ in found.outcomes)
        for task, outcome in found.outcomes:
            if is_overdue and isinstance(outcome, Retry) and task.lane is not None:
                self._count_attempt(task)  # it may wait for its next attempt once the handler has returned
            else:
                self._settle(task, outcome, now)
        chunk.taken -= len(found.outcomes)
        if chunk.taken == 0:
            self._chunks.pop(chunk, None)
        return found

    def _put_back(self, chunk: Chunk, unit: Unit, last: Task) -> None:
        """Return the tasks behind a failed one to their lane; under an ended assignment they are just forgotten."""
        chunk.taken -= len(unit.tasks)
        if unit.tasks and last.assignment.live:
            self._ready.put_back(unit)

    def _settle(self, task: Task, outcome: Outcome, now: float) -> None:
        assignment = task.assignment
        if isinstance(outcome, Retry):
            self._count_attempt(task)
            self._wait(task, now + outcome.delay_ms / 1000)
        elif assignment.live and outcome is None:
            self.totals.processed += assignment.finish(task.offset)
        elif assignment.live and isinstance(outcome, Skip):
            self.totals.failed += 1
            self.totals.skipped += assignment.finish(task.offset)
        elif assignment.live:
            self.totals.failed += 1
            assignment.halted.add(task.offset)
            self._drop_above({assignment: task.offset})

    def _count_attempt(self, task: Task) -> None:
        """Note that *task* was tried in vain and will be tried again, maybe under a later assignment."""
        task.attempt += 1
        assignment = task.assignment
        if not assignment.live:
            self._assignments.failed_late(assignment.partition, task.offset, task.past)
            return
        self.totals.failed += 1
        self.totals.retried += 1
        assignment.attempts[task.offset] = task.past

    def _wait(self, task: Task, due: float) -> None:
        """Let *task* wait for its next attempt, which is a start that its pace must allow."""
        assignment = task.assignment
        if not assignment.live:
            return
        due = max(due, self.throttles.pace.opens_for(task))
        self._retries.add(task, due)
        if assignment.leaves_at is not None and due > assignment.leaves_at:
            self._drop_above({assignment: task.offset - 1})

    def _release(self, unit: Unit, last: Task, outcome: Outcome) -> None:
        """Let go of the unit's lane, unless its last task waits for a retry or stopped the consumer."""
        holds = isinstance(outcome, (Retry, Failure)) and last.assignment.live
        if unit.lane is not None and not holds:
            self._ready.release(unit.lane)

    # Handlers that take too long

    def at_work(self) -> list[Task | TaskBatch]:
        """What workers are at."""
        return [current for chunk in self._chunks if (current := chunk.current) is not None]

    def detach(self, current: Task | TaskBatch, now: float) -> tuple[Chunk | None, list[tuple[Task, Failure]]]:
        """Take everything away from the worker that is stuck in *current*.

        What it had finished is taken in, what it had not begun may run elsewhere. Return a chunk with what it is at, to
        be settled by somebody else and given to `expire`; and the records that stop the consumer.
        """
        chunk = next((chunk for chunk in self._chunks if chunk.current is current), None)
        if chunk is None:
            return None, []
        failures = self.finish(chunk, now)
        self._chunks.pop(chunk, None)
        stuck, rest = chunk.detach()
        self._chunks[stuck] = None
        for unit in rest:
            self._ready.put_back(unit)
            if unit.lane is not None and unit.lane is not stuck.lane:
                self._ready.release(unit.lane)
        return stuck, failures

    def expire(self, chunk: Chunk, handler: Hashable, now: float) -> list[tuple[Task, Failure]]:
        """Take in what was decided about records whose *handler* still runs; their lanes stay held until it returns."""
        found = self._settle_all(chunk, now, is_overdue=True)
        self._overdue[handler] = found.ended
        if handler in self._returned:
            self.returned(handler, now)
        return found.failures

    def returned(self, handler: Hashable, now: float) -> None:
        """Note that an overdue *handler* has returned: its lanes may go on."""
        ended = self._overdue.pop(handler, None)
        if ended is None:
            self._returned.add(handler)
            return
        self._returned.discard(handler)
        for unit, task, outcome in ended:
            if isinstance(outcome, Retry) and unit.lane is not None:
                self._wait(task, now + outcome.delay_ms / 1000)
            self._release(unit, task, outcome)

    # Leaving

    def drain(self, partitions: Iterable[P] | None = None, end: float = UNBOUNDED, now: float = 0.0) -> None:
        """Take in nothing more for *partitions* (all without it), which leave at *end*.

        What nobody needs to run any more is dropped, and so is what cannot run before *end*: a retry that falls due
        later or a record that its pace lets start later, everything above it (which will be repeated anyway), all of it
        while a throttle stays closed.
        """
        leaving = [assignment for _, assignment in self._assignments.select(partitions)]
        for assignment in leaving:
            assignment.leaves_at = end
        unstarted = self._unstarted(leaving)
        ceilings = {assignment: self._highest_started(assignment, idle) for assignment, idle in unstarted.items()}
        needed = [task for idle in unstarted.values() for task in idle if task.offset <= ceilings[task.assignment]]
        for task in (*self._retries.after(end), *self.throttles.pace.late(needed, now, end)):
            if task.assignment in ceilings:
                ceilings[task.assignment] = min(ceilings[task.assignment], task.offset - 1)
        self._drop_above(dict.fromkeys(ceilings, -1) if self.throttles.is_closed_until(end) else ceilings)

    def is_drained(self, partitions: Iterable[P] | None = None) -> bool:
        """Tell whether nothing of *partitions* (all without it) can still finish."""
        return all(assignment.drained for _, assignment in self._assignments.select(partitions))

    def end(self, partitions: Iterable[P]) -> dict[P, Ended]:
        """End the assignments of *partitions*. What still runs will change nothing any more."""
        leaving = self._assignments.select(partitions)
        self._drop_above({assignment: -1 for _, assignment in leaving})
        return {partition: self._end(partition, assignment) for partition, assignment in leaving}

    def _end(self, partition: P, assignment: Assignment) -> Ended:
        self._assignments.end(partition)
        running = assignment.ledger.records - len(assignment.halted)
        self.totals.abandoned += running
        return Ended(assignment.ledger.committable, running, self._paused.pop(partition, None) is not None)

    def _unstarted(self, assignments: Sequence[Assignment]) -> dict[Assignment, list[Task]]:
        """The tasks of *assignments* that no worker has: in lanes, without order, or waiting for a retry."""
        found: dict[Assignment, list[Task]] = {assignment: [] for assignment in assignments}
        lanes = [lane for assignment in assignments for lane in assignment.lanes.values()]
        in_lanes = (task for lane in lanes for task in lane.waiting)
        for task in (*in_lanes, *self._ready.loose(), *self._retries.tasks()):
            if task.assignment in found:
                found[task.assignment].append(task)
        return found

    @staticmethod
    def _highest_started(assignment: Assignment, unstarted: list[Task]) -> int:
        """The highest offset that ran or runs, -1 if there is none; nothing is needed above one that stopped us."""
        if assignment.halted:
            return min(assignment.halted)
        idle = {task.offset for task in unstarted}
        running = max((offset for offset in assignment.ledger.unfinished if offset not in idle), default=-1)
        finished = assignment.ledger.finished_above
        return running if finished is None else max(running, finished)

    def _drop_above(self, ceilings: Mapping[Assignment, int]) -> None:
        """Drop the tasks above the given offset that no worker has."""

        def is_above(task: Task) -> bool:
            return task.offset > ceilings.get(task.assignment, task.offset)

        tables = [assignment.lanes for assignment in ceilings]
        loose = {task for task in self._ready.loose() if is_above(task)}
        waiting = self._retries.take_out(is_above)
        dropped = [*loose, *waiting]
        for lane in [lane for table in tables for lane in table.values()]:
            dropped += [task for task in lane.waiting if is_above(task)]
            lane.waiting = type(lane.waiting)(task for task in lane.waiting if not is_above(task))
        self._retries.ended(dropped)
        for task in dropped:
            task.assignment.ledger.drop([task.offset])
        for lane in [task.lane for task in waiting if task.lane is not None]:
            self._ready.release(lane)
        self._ready.discard(tables, loose)

    # Commits

    def snapshot(self, partitions: Iterable[P] | None = None) -> Snapshot[P]:
        """What to commit now for *partitions* (all without it): only those where something changed."""
        dirty = {p: assignment for p, assignment in self._assignments.select(partitions) if assignment.is_dirty}
        return Snapshot({p: self._position(assignment) for p, assignment in dirty.items()}, dirty)

    @staticmethod
    def _position(assignment: Assignment) -> tuple[int, int]:
        offset = assignment.ledger.committable
        if offset is None:
            raise ValueError(f"{assignment} has no offset to commit")
        return offset, assignment.leader_epoch_below(offset)

    @staticmethod
    def committed(snapshot: Snapshot[P]) -> None:
        """Note that the broker confirmed *snapshot*."""
        for partition, (offset, _) in snapshot.offsets.items():
            snapshot.assignments[partition].committed = offset

    # Back-pressure

    def decide(self, fed: Iterable[P], now: float) -> Decision[P]:
        """Decide what to pause and resume after *fed* partitions got records, and note it as done."""
        self.throttles.advance(now)
        held = self._still_held(now)
        closed_by = self.throttles.closed_by
        total = self._total()
        room = self._pressure.room(total) if closed_by is None else 0
        pause = {}
        for partition, assignment in self._assignments.select([*dict.fromkeys([*fed, *held])] if room else None):
            reason = closed_by or ("not due" if assignment.held_until is not None else None)
            reason = reason or self._pressure.pause_reason(self._load(assignment), total)
            reason = reason or (None if room else "records")
            if reason is not None and partition not in self._paused:
                pause[partition] = reason
        resume = frozenset(
            partition
            for partition, assignment in self._assignments.select(self._paused if closed_by is None else ())
            if assignment.held_until is None and self._pressure.may_resume(self._load(assignment), total)
        )
        self._paused = {partition: why for partition, why in self._paused.items() if partition not in resume} | pause
        paused, assigned = self.paused, self.assigned
        return Decision(pause, resume, paused, held, bool(paused) and paused >= assigned, room, total)

    def hold(self, partition: P, until: float) -> None:
        """Fetch nothing more of *partition* before *until*: its next record is not due."""
        assignment = self._assignments.get(partition)
        if assignment is not None:
            assignment.held_until = until

    def _still_held(self, now: float) -> dict[P, float]:
        """Let go of the partitions whose time has come; return the others, each with its time."""
        held = {}
        for partition, assignment in self._assignments.select():
            if assignment.held_until is not None and assignment.held_until <= now:
                assignment.held_until = None
            elif assignment.held_until is not None:
                held[partition] = assignment.held_until
        return held

    @property
    def is_idle(self) -> bool:
        """Whether nothing is buffered and no partition waits for the time of its next record."""
        live = self._assignments.select()
        return all(assignment.ledger.records == 0 and assignment.held_until is None for _, assignment in live)

    @property
    def wants_more(self) -> bool:
        """Whether workers have run out of work and some paused partition may bring more."""
        if self._ready or self.throttles.closed_by is not None:
            return False
        total = self._total()
        paused = self._assignments.select(self._paused)
        return any(
            assignment.held_until is None and self._pressure.may_resume(self._load(assignment), total)
            for _, assignment in paused
        )

    def is_commit_urgent(self) -> bool:
        """Tell whether finished records fill half of some partition's span, so that a commit would make room."""
        return self._commits and any(
            (assignment.ledger.committable or 0) - (assignment.committed or 0) >= self._limits.uncommitted // 2
            for _, assignment in self._assignments.select()
            if assignment.committed is not None
        )

    def _load(self, assignment: Assignment) -> Load:
        ledger = assignment.ledger
        committed = assignment.committed if self._commits else None
        span = ledger.span if committed is None or ledger.next is None else ledger.next - committed
        return Load(ledger.records, ledger.bytes, span)

    def _total(self) -> Load:
        records = size = 0
        for _, assignment in self._assignments.select():
            records += assignment.ledger.records
            size += assignment.ledger.bytes
        return Load(records, size)

    # Questions

    @property
    def ready(self) -> int:
        """How many lanes and tasks without order may run now."""
        return len(self._ready) if self._room > 0 else 0

    @property
    def buffered(self) -> Load:
        """What all partitions together hold."""
        return self._total()

    @property
    def in_flight(self) -> int:
        """How many tasks workers have."""
        return sum(chunk.taken for chunk in self._chunks)

    @property
    def overdue(self) -> int:
        """How many handlers still run although their records failed by their deadline."""
        return len(self._overdue)

    @property
    def waiting(self) -> int:
        """How many tasks wait for a retry."""
        return len(self._retries)

    def paced(self, now: float) -> int:
        """How many tasks may run *now* but for a pace."""
        return self.throttles.pace.held_back(len(self._ready), now)

    @property
    def next_due(self) -> float | None:
        """When something may run that may not run now, unless something finishes first; ``None`` if never."""
        dues: list[float | None] = [None if self.throttles.next_change == UNBOUNDED else self.throttles.next_change]
        if self._room > 0:
            dues.append(self.throttles.pace.next_start(is_ready=bool(self._ready)))
        if self._room > 0 and isinstance(self._ready, BatchQueue) and self._ready.next_due is not None:
            dues.append(max(self._ready.next_due, self.throttles.pace.opens))
        if self._room > 0 and self._retries.running < self.throttles.retries:
            dues.append(self._retries.next_due)
        return min((due for due in dues if due is not None), default=None)

    @property
    def can_steal(self) -> bool:
        """Whether some worker has units that it has not begun."""
        return any(chunk.unclaimed for chunk in self._chunks)

    @property
    def assigned(self) -> frozenset[P]:
        """The partitions that are ours."""
        return frozenset(partition for partition, _ in self._assignments.select())

    @property
    def paused(self) -> frozenset[P]:
        """The partitions that back-pressure paused."""
        return frozenset(self._paused)

    def offsets(self) -> tuple[dict[P, int], dict[P, int]]:
        """Return the committed offset and the lag of each partition that has them."""
        live = self._assignments.select()
        committed = {p: assignment.committed for p, assignment in live if assignment.committed is not None}
        return committed, {p: self._load(assignment).span for p, assignment in live}
