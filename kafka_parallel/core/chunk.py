"""Which tasks one worker has, and which of them another may still take away.

Rule 1: a chunk is a deque of units. Its worker claims units from the front, a thief takes them from the back; both are
single deque operations, so neither needs the lock to be safe from the other.
Rule 2: a claimed unit belongs to its worker until it ended: every task was settled, or one failed and the tasks behind
it must wait (they go back to their lane).
Rule 3: only the worker that holds the chunk iterates it and settles its tasks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from kafka_parallel.core.ordering import Unit
from kafka_parallel.core.task import Task
from kafka_parallel.values import Retry, Skip


class Failure:
    """A record that stops the consumer.

    :ivar error: what was raised.
    :ivar reason: who decided that it stops, and why.
    :ivar is_fatal: true for KeyboardInterrupt and its like, which nobody was asked about.
    """

    __slots__ = ("error", "is_fatal", "reason")

    def __init__(self, error: BaseException, reason: str, *, is_fatal: bool = False) -> None:
        self.error = error
        self.reason = reason
        self.is_fatal = is_fatal


Outcome: TypeAlias = "Skip | Retry | Failure | None"
"""How an attempt ended; ``None`` = the handler returned."""


class Chunk:
    """Tasks that one worker took together.

    :ivar taken: how many tasks are in it, settled or not; guarded by the scheduler's owner.
    """

    __slots__ = ("_ended", "_outcomes", "_unit", "_units", "taken")

    def __init__(self, units: Iterable[Unit]) -> None:
        self._units = deque(units)
        self.taken = sum(len(unit.tasks) for unit in self._units)
        self._unit: Unit | None = None
        self._outcomes: list[tuple[Task, Outcome]] = []
        self._ended: list[tuple[Unit, Task, Outcome]] = []

    def __iter__(self) -> Iterator[Task]:
        """Claim task after task; each must be settled before the next is asked for."""
        while True:
            try:
                unit = self._units.popleft()
            except IndexError:  # empty, or a thief was faster
                return
            self._unit = unit
            while self._unit is not None:
                task = unit.tasks[0]
                yield task
                if self._unit is not None and unit.tasks[0] is task:
                    raise ValueError(f"{task} was claimed but not run: an executor must run each task it takes")

    def settle(self, task: Task, outcome: Outcome) -> None:
        """Note how the task that was claimed last ended."""
        unit = self._unit
        if unit is None or unit.tasks[0] is not task:
            raise ValueError(f"{task} is not the task that was claimed last")
        unit.tasks.popleft()
        self._outcomes.append((task, outcome))
        if not unit.tasks or isinstance(outcome, (Retry, Failure)):
            self._ended.append((unit, task, outcome))
            self._unit = None

    def steal(self, limit: int) -> list[Unit]:
        """Take away at most half of the units nobody claimed, with at most *limit* tasks unless it is one unit."""
        stolen: list[Unit] = []
        wanted = (len(self._units) + 1) // 2
        while len(stolen) < wanted and limit > 0:
            try:
                unit = self._units.pop()
            except IndexError:
                break
            stolen.append(unit)
            limit -= len(unit.tasks)
            self.taken -= len(unit.tasks)
        stolen.reverse()
        return stolen

    def collect(self) -> tuple[list[tuple[Task, Outcome]], list[tuple[Unit, Task, Outcome]]]:
        """Take out the outcomes so far, and the units that ended, each with its last task and that one's outcome."""
        found = self._outcomes, self._ended
        self._outcomes, self._ended = [], []
        return found

    @property
    def unclaimed(self) -> int:
        """How many units nobody has claimed."""
        return len(self._units)
