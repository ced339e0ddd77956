"""The tasks that run together, with one call, and the outcome of each.

A batch is claimed as a whole, and nothing of it can be stolen. If a record of a unit has to be tried again, those
behind it in the unit go back with it: a failed one has made its attempt, a successful one comes again in order,
and so does one for which a plugin had answered; one that failed and is skipped is finished. A task that was not run
goes back too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kafka_parallel._core.chunk import Settled, TaskChunk, take_all
from kafka_parallel._core.outcome import LEFT_OUT, BatchOutcome, BatchOutcomes, Failure, NotRun, is_unfinished
from kafka_parallel._core.task import Runnable, Task
from kafka_parallel._core.task_batch import TaskBatch
from kafka_parallel.values import Retry, Skip


class BatchChunk(TaskChunk):
    """A chunk whose units run together: iterating claims all of them as one `TaskBatch`.

    Each settled entry is complete for one unit, or says that all of the batch was handled.
    """

    __slots__ = ("_batch",)

    def __init__(self, units: Sequence[Runnable], since: float = 0.0) -> None:
        super().__init__((), since)
        batch = TaskBatch(units)
        self._batch: TaskBatch | None = batch
        self.taken = len(batch.tasks)

    def __iter__(self) -> Iterator[Any]:
        """Claim the batch."""
        if self._batch is not None:
            yield self._batch
            if self._batch is not None:
                raise ValueError("a batch was claimed but not run: an executor must run each batch it takes")

    def settle_all(self, outcomes: BatchOutcomes) -> None:
        """Note how every task of the batch ended."""
        if self._batch is None:
            raise ValueError("the batch is settled already")
        if outcomes is None:
            self._settled.append((self._batch, None))
        else:
            for unit in self._batch.units:
                self._settle_unit(unit, outcomes)
        self._batch = None

    def collect_handled(self) -> TaskBatch | None:
        """Take out the batch, if all there is to report is that all of it was handled."""
        if len(self._settled) != 1 or self._settled[0][1] is not None:
            return None
        handled: TaskBatch = self._settled.pop()[0]
        return handled

    def collect_last(self) -> Settled | None:
        """Return nothing: the tasks behind it in its unit have to be collected as well."""
        return None

    def collect(self) -> tuple[list[Settled], Sequence[Task]]:
        """Take out the settled tasks so far, and tasks that failed as well and go back behind a failed one.

        Of a batch that was handled as a whole `collect_handled` tells.
        """
        units: list[tuple[list[Settled], list[Task]]] = take_all(self._settled)
        return [end for ends, _ in units for end in ends], [task for _, behind in units for task in behind]

    @property
    def current(self) -> Task | TaskBatch | None:
        """The batch, until it is settled."""
        return self._batch

    @property
    def held(self) -> list[Task]:
        """The tasks of the batch, and those of it that are settled."""
        batch, settled = self._batch, self._settled[:]
        if batch is not None:
            return [*batch.tasks]
        ends = [first.tasks if isinstance(first, TaskBatch) else [end[0] for end in first] for first, _ in settled]
        return [task for tasks in ends for task in tasks]

    def detach(self) -> tuple[TaskChunk, list[Runnable]]:
        """Take the batch away from a worker that is stuck in it."""
        stuck = BatchChunk(())
        stuck.moved_at = self.moved_at
        stuck._batch, self._batch = self._batch, None
        stuck.taken = self.taken
        return stuck, []

    def _settle_unit(self, unit: Runnable, outcomes: Mapping[Task, BatchOutcome]) -> None:
        """Settle the tasks of a unit up to the first that stays; sort out those behind it."""
        tasks = [(task, outcomes[task]) for task in unit.tasks]
        stays = next((place for place, (_, outcome) in enumerate(tasks) if is_unfinished(outcome)), len(tasks) - 1)
        first, *behind = tasks[stays:]
        back = [task for task, outcome in behind if not _is_final(outcome)]
        if first[1] is NotRun:
            back.insert(0, first[0])
        others = [*tasks[:stays], *(found for found in behind if _is_final(found[1]))]
        ends: list[Settled] = [(task, outcome, None, ()) for task, outcome in others]
        ends.append((*first, unit.lane, back))
        failed = [task for task, outcome in behind if isinstance(outcome, Retry)]
        self._settled.append((ends, failed))


def _is_final(outcome: BatchOutcome) -> bool:
    """Tell whether a task behind one that stays has come to an end all the same."""
    return isinstance(outcome, (Skip, Failure)) and outcome is not LEFT_OUT
