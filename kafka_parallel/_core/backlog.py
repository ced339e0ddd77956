"""The tasks that no worker has: those that may run, those behind others of their lane, those that wait for a retry.

Rule 1: a dropped task is given up for good: it leaves its ledger, and the commit point never passes it.
Rule 2: a lane is released when the retry that holds it is dropped.
Rule 3: no record of a leaving partition overtakes a dropped one of its lane, see ``dropping.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kafka_parallel._core.assignment import Assignment
from kafka_parallel._core.batch_queue import BatchLimits, BatchQueue
from kafka_parallel._core.dropping import Ceilings, with_those_behind
from kafka_parallel._core.ordering import ReadyQueue
from kafka_parallel._core.parking import Parking
from kafka_parallel._core.retries import Retries
from kafka_parallel._core.task import Lane, LaneTable, Task


class Backlog:
    """Tasks on their way to a worker.

    :param batches: when a batch is given out; ``None`` if records run one by one.
    :param parked: the lanes and tasks that may not start yet.
    :ivar ready: the tasks and lanes that may run now.
    :ivar retries: the tasks that wait for their next attempt.
    """

    def __init__(self, batches: BatchLimits | None, parked: Parking) -> None:
        self.ready: ReadyQueue | BatchQueue = ReadyQueue() if batches is None else BatchQueue(batches)
        self.retries = Retries()
        self._parked = parked
        self._stopped: dict[Lane, None] = {}  # the lanes of records that stopped the consumer: held for good

    def feed(self, assignment: Assignment, tasks: Sequence[Task], others: int) -> None:
        """Take in new tasks of *assignment*, in offset order, beside *others* that have some."""
        assignment.ledger.add_offsets([task.offset for task in tasks], [task.size for task in tasks])
        for task in tasks:
            task.assignment = assignment
        if assignment.attempts or assignment.finished_before:
            tasks = self._without_finished(assignment, tasks)
        self.ready.enqueue(tasks, assignment.lanes, assignment.turn, others)

    @staticmethod
    def _without_finished(assignment: Assignment, tasks: Sequence[Task]) -> list[Task]:
        """Tell *tasks* of their earlier attempts, and finish those that were handled elsewhere; return the others.

        Nothing else is told of these duplicates. A hook about them would return them from here, as `kept_out` does of
        `Scheduler.feed`, to `Intake.accept` (``_runtime/loop/intake.py``), which runs without the lock.
        """
        for task in tasks:
            if task.offset in assignment.attempts:
                task.recall(assignment.attempts[task.offset])
        done = assignment.finished_before
        assignment.ledger.finish_offsets(task.offset for task in tasks if task.offset in done)
        left = [task for task in tasks if task.offset not in done]
        done.forget_below(assignment.ledger.next or 0)
        return left

    def retry_due(self, now: float, most: float) -> None:
        """Let the tasks run again whose time has come, while no more than *most* do."""
        for task in self.retries.let_go_on(now, most):
            self.ready.make_ready(task)

    def unstarted(self, assignments: Sequence[Assignment]) -> dict[Assignment, list[Task]]:
        """The tasks of *assignments* that no worker has: in lanes, without order, or waiting for a retry."""
        found: dict[Assignment, list[Task]] = {assignment: [] for assignment in assignments}
        for task in self.tasks_of(assignments):
            if task.assignment in found:
                found[task.assignment].append(task)
        return found

    def tasks_of(self, assignments: Iterable[Assignment]) -> Iterator[Task]:
        """The same tasks one by one, those that wait for a retry first, and perhaps some of other assignments."""
        yield from self.retries.tasks()
        for lane in _lanes(assignments):
            yield from lane.waiting
        yield from self.ready.unordered_tasks()
        yield from self._parked.unordered_tasks()

    def with_those_behind(self, ceilings: Ceilings, end: float) -> dict[Assignment, int]:
        """Return *ceilings*, lowered to drop the tasks as well that stand behind one that does not run until *end*."""
        blocked = {*self._stopped, *(task.lane for task in self.retries.after(end))}
        return with_those_behind(ceilings, _lanes(ceilings), self.retries.tasks(), blocked)

    def stop_at(self, task: Task) -> None:
        """Note that *task* stopped the consumer: those above it and behind it need not run any more."""
        if task.lane is not None:
            self._stopped[task.lane] = None
        self.drop_above({task.assignment: task.offset}, task.lane)

    def drop_late(self, retry: Task, due: float) -> None:
        """Drop *retry*, which is *due*, and those behind it, whose partition leaves earlier than that."""
        line = (retry,) if retry.lane is None else (*reversed(retry.lane.waiting), retry)
        late = [task for task in line if task.assignment.leaves_at is not None and due > task.assignment.leaves_at]
        if late:
            self.drop_above({task.assignment: task.offset - 1 for task in late})

    def drop_above(self, ceilings: Ceilings, blocked: Lane | None = None) -> None:
        """Drop the tasks above the given offset that no worker has, and those that must not overtake them.

        :param blocked: a lane in which nothing runs any more.
        """
        ceilings = with_those_behind(ceilings, _lanes(ceilings), self.retries.tasks(), (blocked,))

        def is_above(task: Task) -> bool:
            return task.offset > ceilings.get(task.assignment, task.offset)

        tables = _tables(ceilings)
        loose = {task for task in (*self.ready.unordered_tasks(), *self._parked.unordered_tasks()) if is_above(task)}
        waiting = self.retries.take_out(is_above)
        dropped = [*loose, *waiting]
        for lane in _lanes(ceilings):
            dropped += [task for task in lane.waiting if is_above(task)]
            lane.waiting = type(lane.waiting)(task for task in lane.waiting if not is_above(task))
        self.retries.stop_counting(dropped)
        for task in dropped:
            task.assignment.ledger.drop([task.offset])
        for lane in [task.lane for task in waiting if task.lane is not None]:
            self.ready.release(lane)
        self._parked.forget_dropped(loose)
        self.ready.forget_dropped(tables, loose)


def _tables(assignments: Iterable[Assignment]) -> list[LaneTable]:
    """The lanes of *assignments*, each table once: several assignments may share one."""
    return list({assignment.scope: assignment.lanes for assignment in assignments}.values())


def _lanes(assignments: Iterable[Assignment]) -> list[Lane]:
    """The lanes in which tasks of *assignments* may stand."""
    return [lane for table in _tables(assignments) for lane in table.values()]
