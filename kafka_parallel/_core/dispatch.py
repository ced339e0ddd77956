"""Gives tasks to workers, and takes in their outcomes.

Rule 1: a worker takes the earliest arrivals, as many as plugins allow; if there are none, it takes away from another
worker the units that one has not begun after a while, as many of them as plugins let start now: none at a bound of 0.
Rule 2: an outcome changes its assignment if that is still live; that an attempt failed is remembered in any case. An
attempt without a verdict finishes nothing: under a live assignment its record runs again at once.
Rule 3: a lane is let go when its unit has ended, unless its last task runs again or stopped the consumer.
Rule 4: a handler that takes too long loses everything but the lanes of its tasks: these are let go when it returns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, cast

from kafka_parallel._core.admission import Admission
from kafka_parallel._core.assignment import Assignment, Assignments
from kafka_parallel._core.backlog import Backlog
from kafka_parallel._core.batch_chunk import BatchChunk
from kafka_parallel._core.batch_groups import BatchedLane
from kafka_parallel._core.batch_queue import BatchQueue
from kafka_parallel._core.chunk import Settled, TaskChunk, count_of
from kafka_parallel._core.in_flight_limits import Throttles
from kafka_parallel._core.ordering import ReadyQueue
from kafka_parallel._core.outcome import LEFT_OUT, BatchOutcome, Failure, NotRun, NoVerdict, is_unfinished
from kafka_parallel._core.task import Lane, Runnable, Task
from kafka_parallel._core.task_batch import TaskBatch
from kafka_parallel.values import Retry, Skip

# The time, in seconds, that an idle worker leaves another one's units alone.
STEAL_AFTER = 0.002


@dataclass(slots=True)
class Totals:
    """Counts that only ever grow."""

    processed: int = 0
    failed: int = 0
    retried: int = 0
    skipped: int = 0
    abandoned: int = 0


class Dispatch:
    """The chunks of the workers.

    :param assignments: told of attempts that failed after their assignment had ended.
    :ivar totals: the counts so far.
    :ivar in_flight: the number of tasks that workers have: those of all chunks, counted where a chunk changes.
    """

    def __init__(self, backlog: Backlog, throttles: Throttles, assignments: Assignments[Any]) -> None:
        self._backlog = backlog
        self._throttles = throttles
        self._admission = Admission(throttles)
        self._limits = throttles.limits
        self._assignments = assignments
        self._chunks: dict[TaskChunk, None] = {}  # a set, in order of time
        self._several: dict[TaskChunk, None] = {}  # those of them that had more than one task
        self.in_flight = 0
        self._overdue: dict[Hashable, list[Settled]] = {}
        self._returned: set[Hashable] = set()
        self.totals = Totals()

    def next_chunk(self, limit: int, now: float, *, steals: bool = True) -> TaskChunk | None:
        """Take at most *limit* tasks that may run now, from another chunk if it *steals*; or a whole batch."""
        self._throttles.advance(now)
        if self._backlog.retries.waiting:
            self._backlog.retry_due(now, self._throttles.most_retries)
        chunk = self._next_chunk(limit, now, steals=steals)
        if chunk is not None:
            self._hand_out(chunk)
        return chunk

    def _hand_out(self, chunk: TaskChunk) -> None:
        self._chunks[chunk] = None
        if chunk.taken > 1:
            self._several[chunk] = None
        self.in_flight += chunk.taken

    def _count_out(self, chunk: TaskChunk, count: int) -> None:
        """Note that *chunk* holds *count* tasks less."""
        chunk.taken -= count
        self.in_flight -= count
        if chunk.taken == 0:
            self._chunks.pop(chunk, None)
            self._several.pop(chunk, None)

    def _next_chunk(self, limit: int, now: float, *, steals: bool) -> TaskChunk | None:
        ready = self._backlog.ready
        if isinstance(ready, BatchQueue):
            batch = self._admission.take_allowed_batch(ready, self.in_flight, now)
            return BatchChunk(batch, now) if batch else None
        units = self._admission.take_allowed(ready, limit, self.in_flight, now)
        if steals and not units:
            units = self._steal(ready, limit, now)
        return TaskChunk(units, now) if units else None

    def _steal(self, ready: ReadyQueue, limit: int, now: float) -> list[Runnable]:
        """Take away the units that a worker has not begun that has been at its chunk for a while.

        It starts by that: not while nothing may start. If they are more than may be in flight, or have a rate, they are
        in flight no more, and as many of all tasks that may run are taken as plugins let start.
        """
        while (chunk := self._stuck(now)) is not None:
            may_go_on = self.in_flight <= self._throttles.most_in_flight and not self._admission.is_selective
            units = chunk.steal(limit)
            self.in_flight -= count_of(units)
            if not may_go_on:
                self._hand_back(units)
                units = self._admission.take_allowed(ready, limit, self.in_flight, now)
            if units:
                return units
        return []

    def _stuck(self, now: float) -> TaskChunk | None:  # see docs/decisions/0031-anyone-collects.md
        """The first chunk from which an idle worker may take now."""
        if self._throttles.most_in_flight == 0:
            return None
        return next((chunk for chunk in self._several if chunk.unclaimed and chunk.since + STEAL_AFTER <= now), None)

    def take_in_outcomes(self, chunk: TaskChunk, now: float) -> list[tuple[Task, Failure]]:
        """Take in the settled tasks of *chunk* so far; return the records that stop the consumer."""
        if (last := chunk.collect_last()) is not None:
            self._finish_last(chunk, last[0], last[2])
            return []
        if isinstance(chunk, BatchChunk) and (batch := chunk.collect_handled()) is not None:
            self._finish_batch(chunk, batch)
            return []
        ended, failures = self._take_in_settled(chunk, now)
        release = self._backlog.ready.release
        for task, outcome, lane, _ in ended:
            if outcome is None and lane is not None:
                release(lane)
            else:
                self._release(lane, task, outcome)
        return failures

    def _finish_last(self, chunk: TaskChunk, task: Task, lane: Lane | None) -> None:
        """Take in that *task* was handled and nothing of *chunk* is left, as each time if handlers are slow."""
        if self._backlog.retries.running or self._limits:
            self._end((task,))
        if task.follow().live:
            self.totals.processed += task.assignment.finish_offset(task.offset)
        self._count_out(chunk, 1)
        if lane is not None:
            self._backlog.ready.release(lane)

    def _finish_batch(self, chunk: TaskChunk, batch: TaskBatch) -> None:
        """Take in that all of *batch* was handled, which *chunk* held."""
        if self._backlog.retries.running or self._limits:
            self._end(batch.tasks)
        for assignment, tasks in groupby(batch.tasks, Task.follow):
            self._finish_all(assignment, [task.offset for task in tasks])
        self._count_out(chunk, len(batch.tasks))
        lanes = [unit.lane for unit in batch.units if unit.lane is not None]
        cast("BatchQueue", self._backlog.ready).release_all(cast("list[BatchedLane]", lanes))

    def collect_outcomes(self, now: float) -> list[tuple[Task, Failure]]:  # see docs/decisions/0031-anyone-collects.md
        """Take in the settled tasks of all workers: one at a slow record has not handed over those before it."""
        chunks = [chunk for chunk in self._several if chunk.is_collectable]
        return [failure for chunk in chunks for failure in self.take_in_outcomes(chunk, now)]

    def _take_in_settled(
        self, chunk: TaskChunk, now: float, busy: Collection[Lane | None] = ()
    ) -> tuple[list[Settled], list[tuple[Task, Failure]]]:
        """Take in the settled tasks of *chunk*; return the units that ended, and the records that stop the consumer.

        The lanes of these units are still held. In lanes that are *busy* because their handler still runs, nothing may
        wait for its next attempt yet.
        """
        settled, behind = chunk.collect()
        for task in behind:
            self._count_attempt(task)
        ended, others = self._finish_handled(settled)
        for _, _, lane, back in ended:
            if back:
                self._count_out(chunk, len(back))
                self._requeue(lane, back)
        if self._backlog.retries.running or self._limits:
            self._end([end[0] for end in settled if end[1] is not NotRun])
        failures: list[tuple[Task, Failure]] = []
        count = len(settled)
        for task, outcome in others:
            if outcome is NotRun:
                count -= 1  # it went back, and was counted there
            elif isinstance(outcome, Retry) and task.lane is not None and task.lane in busy:
                self._count_attempt(task)
            else:
                self._apply_outcome(task, outcome, now)
            if isinstance(outcome, Failure):
                failures.append((task, outcome))
        self._count_out(chunk, count)
        if settled:
            chunk.moved_at = now
        return ended, failures

    def _end(self, tasks: Sequence[Task]) -> None:
        """Tell of attempts that have ended; those that go back unbegun are told of in `_requeue`.

        It is called if some retry runs or some limit is set: usually neither is, and an end costs no call.
        """
        self._backlog.retries.stop_counting(tasks)
        self._admission.count_ends(tasks)

    def _finish_handled(self, settled: list[Settled]) -> tuple[list[Settled], list[tuple[Task, BatchOutcome]]]:
        """Finish the records that were handled, all of an assignment at once; return ended units and other records."""
        ended: list[Settled] = []
        others: list[tuple[Task, BatchOutcome]] = []
        assignment: Assignment | None = settled[0][0].follow() if settled else None
        offsets: list[int] = []
        for end in settled:
            task, outcome, lane, back = end
            if lane is not None or back:
                ended.append(end)
            if outcome is not None:
                others.append((task, outcome))
            elif task.assignment is assignment:
                offsets.append(task.offset)
            else:
                self._finish_all(assignment, offsets)
                assignment, offsets = task.follow(), [task.offset]
        self._finish_all(assignment, offsets)
        return ended, others

    def _finish_all(self, assignment: Assignment | None, offsets: list[int]) -> None:
        if assignment is not None and assignment.live:
            self.totals.processed += assignment.finish_offsets(offsets)

    def _requeue(self, lane: Lane | None, tasks: Sequence[Task]) -> None:
        """Return *tasks*, which no chunk holds any more, to their lane; under an ended assignment they are forgotten.

        Each by its own assignment: behind a record of an ended one may stand those of the next.
        """
        self._admission.count_ends(tasks)
        self._backlog.retries.stop_counting(task for task in tasks if not task.follow().live)
        self._backlog.ready.requeue(lane, [task for task in tasks if task.assignment.live])

    def _apply_outcome(self, task: Task, outcome: BatchOutcome, now: float) -> None:
        """Take in that *task* was not handled."""
        assignment = task.follow()
        if outcome is NoVerdict:
            self._schedule(task, now)
        elif isinstance(outcome, Retry):
            self._count_attempt(task)
            self._schedule(task, now + outcome.delay_ms / 1000)
        elif assignment.live and isinstance(outcome, Skip):
            self.totals.failed += outcome is not LEFT_OUT
            self.totals.skipped += assignment.finish_offset(task.offset)
        elif assignment.live:
            self.totals.failed += 1
            assignment.halted.add(task.offset)
            self._backlog.stop_at(task)

    def _count_attempt(self, task: Task) -> None:
        """Note that *task* was tried in vain and will be tried again, maybe under a later assignment."""
        task.attempt += 1
        assignment = task.follow()
        if not assignment.live:
            self._assignments.failed_late(assignment.partition, task.offset, task.past)
            return
        self.totals.failed += 1
        self.totals.retried += 1
        assignment.attempts[task.offset] = task.past

    def _schedule(self, task: Task, due: float) -> None:
        """Let *task* wait for its next attempt, which is a start that its rate must allow."""
        assignment = task.assignment
        if not assignment.live:
            return
        due = max(due, self._admission.earliest_start_of(task))
        self._backlog.retries.schedule(task, due)
        if self._assignments.leaving:
            self._backlog.drop_late(task, due)

    def _release(self, lane: Lane | None, last: Task, outcome: BatchOutcome) -> None:
        """Let go of the *lane* of a unit, unless its last task runs again or stopped the consumer.

        One that was not run went back to its lane.
        """
        holds = outcome is not NotRun and is_unfinished(outcome) and last.assignment.live
        if lane is not None and not holds:
            self._backlog.ready.release(lane)

    def reclaim(self) -> None:
        """Take from all workers the units they have not begun: these wait again, and may be dropped."""
        for chunk in list(self._several):
            units = chunk.take_unclaimed()
            self.in_flight -= count_of(units)
            if chunk.taken == 0:
                self._count_out(chunk, 0)
            self._hand_back(units)

    def _hand_back(self, units: Sequence[Runnable], held: Lane | None = None) -> None:
        """Let anyone run *units*, which no chunk holds any more, unless their lane stays *held*."""
        for unit in units:
            self._requeue(unit.lane, unit.tasks)
            if unit.lane is not None and unit.lane is not held:
                self._backlog.ready.release(unit.lane)

    # Handlers that take too long

    def at_work(self) -> dict[Task | TaskBatch, float]:
        """The tasks and batches that workers are at, and when the worker of each was last seen to begin something."""
        return {current: chunk.moved_at for chunk in self._chunks if (current := chunk.current) is not None}

    def held(self) -> list[Task]:
        """All tasks that workers have, or have ended and not handed over."""
        overdue = (end[0] for ends in self._overdue.values() for end in ends)
        return [*(task for chunk in self._chunks for task in chunk.held), *overdue]

    def behind(self) -> Counter[Assignment]:
        """Count, by assignment, the records claimed by workers together with their current one, and not begun."""
        return Counter(task.assignment for chunk in self._several for task in chunk.behind)

    def detach_stuck(self, item: Task | TaskBatch, now: float) -> tuple[TaskChunk | None, list[tuple[Task, Failure]]]:
        """Take everything away from the worker that is stuck in *item*.

        Its finished tasks are taken in, those it had not begun may run elsewhere. Return a chunk with the unit it is
        at, to be settled elsewhere and given to `expire`; and the records that stop the consumer.
        """
        chunk = next((chunk for chunk in self._chunks if chunk.current is item), None)
        if chunk is None:
            return None, []
        failures = self.take_in_outcomes(chunk, now)
        stuck, rest = chunk.detach()
        self._count_out(chunk, chunk.taken)
        self._hand_out(stuck)
        self._hand_back(rest, stuck.lane)
        return stuck, failures

    def expire(
        self, chunk: TaskChunk, handler: Hashable, lanes: Collection[Lane | None], now: float
    ) -> list[tuple[Task, Failure]]:
        """Take in the verdicts about records whose *handler* still runs; *lanes* stay held until it returns."""
        ended, failures = self._take_in_settled(chunk, now, busy=lanes)
        self._overdue[handler] = [end for end in ended if end[2] in lanes]
        for task, outcome, lane, _ in ended:
            if lane not in lanes:
                self._release(lane, task, outcome)
        if handler in self._returned:
            self.returned(handler, now)
        return failures

    def returned(self, handler: Hashable, now: float) -> None:
        """Note that an overdue *handler* has returned: its lanes may go on."""
        ended = self._overdue.pop(handler, None)
        if ended is None:
            self._returned.add(handler)
            return
        self._returned.discard(handler)
        for task, outcome, lane, _ in ended:
            if isinstance(outcome, Retry) and lane is not None:
                self._schedule(task, now + outcome.delay_ms / 1000)
            self._release(lane, task, outcome)

    # Questions

    @property
    def ready(self) -> int:
        """The number of lanes and tasks without order that may run now."""
        return len(self._backlog.ready) if self._admission.room(self.in_flight) > 0 else 0

    @property
    def overdue(self) -> int:
        """The number of handlers that still run although their records failed by their deadline."""
        return len(self._overdue)

    @property
    def overdue_handlers(self) -> list[Any]:
        """The handlers that still run although their records failed by their deadline."""
        return list(self._overdue)

    @property
    def waiting(self) -> int:
        """The number of tasks that wait for a retry."""
        return len(self._backlog.retries.waiting)

    def rate_limited(self, now: float) -> int:
        """How many tasks may run *now* but for a rate."""
        return self._admission.rate_limited(len(self._backlog.ready), now)

    @property
    def next_due(self) -> float | None:
        """When something may run that may not run now, unless something finishes first; ``None`` if never."""
        return self._admission.next_due(self._backlog, self.in_flight)

    @property
    def steal_due(self) -> float | None:
        """The time at which an idle worker may take from another one's chunk; ``None`` if all units were begun.

        While nothing may start, when that changes counts, not this.
        """
        if not self._several or self._throttles.most_in_flight == 0:
            return None
        return min((chunk.since + STEAL_AFTER for chunk in self._several if chunk.unclaimed), default=None)
