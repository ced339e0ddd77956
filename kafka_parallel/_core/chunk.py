"""The tasks of one worker, and those of them that another may still take away.

Rule 1: a chunk is a list of units, the first one at its end. There its worker claims them, a thief takes the last ones
from its front; both are single list operations, so neither needs the lock to be safe from the other.
Rule 2: a claimed unit belongs to its worker until it ended: every task was settled, or one is not finished and those
behind it must wait (they go back to their lane).
Rule 3: only the worker that holds the chunk claims units and settles their tasks. It does so one by one, by iterating,
or all at once, to send them elsewhere; then it may give back, as the last ones, those that were not begun there.
Rule 4: settling is one append of one complete entry: how the task ended, and with the last task of a unit, the lane
that is let go of and the tasks that go back there. So settled entries may be collected by any thread at any time, and
nothing depends on two operations being seen together. The fate of the lane is decided when the entry is taken in, when
the assignment of its task is either live or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from kafka_parallel._core.outcome import BatchOutcome, Outcome, is_unfinished
from kafka_parallel._core.task import Lane, Runnable, Task, Unit

if TYPE_CHECKING:
    from kafka_parallel._core.task_batch import TaskBatch

T = TypeVar("T")


Settled: TypeAlias = tuple[Task, "BatchOutcome", Lane | None, Sequence[Task]]
"""How a task ended: its outcome; if its unit ended with it, the lane of the unit and the tasks that go back there. A
unit of a batch may end at a task that was not run, which then goes back."""


NOT_RUN = "{} was claimed but not run: an executor must run each task it takes"


# see docs/decisions/0002-workers-pull-chunks.md
# see docs/decisions/0039-small-in-flight.md
class TaskChunk:
    """Tasks that one worker took together.

    :ivar taken: how many tasks are in it, settled or not; guarded by the scheduler's owner.
    :ivar since: when it was taken, in seconds of the monotonic clock; guarded likewise.
    :ivar moved_at: when its worker was last seen to have ended a task, or took the chunk; guarded likewise.
    """

    __slots__ = ("_claimed", "_settled", "_single", "_unit", "_units", "moved_at", "since", "taken")

    def __init__(self, units: Iterable[Runnable], since: float = 0.0) -> None:
        self._units = list(units)
        self._units.reverse()
        self.since = self.moved_at = since
        self.taken = count_of(self._units)
        self._unit: Unit | None = None
        self._single: Task | None = None
        self._claimed: dict[Unit, None] = {}
        self._settled: list[Any] = []

    def __iter__(self) -> Iterator[Any]:
        """Claim task after task; each must be settled before the next is asked for."""
        while self._units:
            try:
                unit = self._units.pop()
            except IndexError:  # a thief was faster
                return
            if isinstance(unit, Task):
                self._single = unit
                yield unit
                if self._single is unit:
                    raise ValueError(NOT_RUN.format(unit))
                continue
            self._unit = unit
            while self._unit is not None:
                task = unit.tasks[0]
                yield task
                if self._unit is not None and unit.tasks[0] is task:
                    raise ValueError(NOT_RUN.format(task))

    # see docs/decisions/0050-settle-in-one-append.md
    def settle(self, task: Task, outcome: Outcome) -> None:
        """Note how the task that was claimed last ended."""
        if task is self._single:
            self._settled.append((task, outcome, task.lane, ()))
            self._single = None
            return
        unit = self._unit
        if unit is None or unit.tasks[0] is not task:
            raise ValueError(f"{task} is not the task that was claimed last")
        if outcome is None and len(unit.tasks) > 1:  # the usual case, without another call
            del unit.tasks[0]
            self._settled.append((task, outcome, None, ()))
        elif not self.settle_next(unit, outcome):
            self._unit = None

    def claim_all(self) -> list[Unit]:
        """Claim all units that are left, for `settle_next`."""
        claimed = [unit if isinstance(unit, Unit) else Unit(unit.lane, [unit]) for unit in _take_each(self._units)]
        self._claimed.update(dict.fromkeys(claimed))
        return claimed

    def settle_next(self, unit: Unit, outcome: Outcome) -> bool:
        """Note how the next task of the claimed *unit* ended; tell whether the one behind it may run now."""
        task = unit.tasks.pop(0)
        if unit.tasks and (outcome is None or not is_unfinished(outcome)):
            self._settled.append((task, outcome, None, ()))
            return True
        if self._claimed:
            self._claimed.pop(unit, None)
        back, unit.tasks = unit.tasks, []
        self._settled.append((task, outcome, unit.lane, back))
        return False

    def unclaim(self, units: Iterable[Unit]) -> None:
        """Give back claimed *units* of which nothing was begun since; the worker or a thief will claim them at once."""
        self.since = float("-inf")
        for unit in units:
            del self._claimed[unit]
            self._units.insert(0, unit)

    # see docs/decisions/0002-workers-pull-chunks.md
    def steal(self, limit: int) -> list[Runnable]:
        """Take away at most half of the unclaimed units, with at most *limit* tasks unless it is one unit."""
        stolen: list[Runnable] = []
        wanted = (len(self._units) + 1) // 2
        while len(stolen) < wanted and limit > 0:
            try:
                unit = self._units.pop(0)
            except IndexError:
                break
            stolen.append(unit)
            limit -= len(unit.tasks)
            self.taken -= len(unit.tasks)
        stolen.reverse()
        return stolen

    def take_unclaimed(self) -> list[Runnable]:
        """Take away all unclaimed units."""
        units = _take_each(self._units)
        self.taken -= count_of(units)
        return units

    def collect_last(self) -> Settled | None:
        """Take out the last task, if all there is to report is that it was handled."""
        if self.taken != 1 or len(self._settled) != 1 or self._settled[0][1] is not None:
            return None
        last: Settled = self._settled.pop()
        return last

    def collect(self) -> tuple[list[Settled], Sequence[Task]]:
        """Take out the settled tasks so far, and tasks that failed as well and go back behind a failed one."""
        return take_all(self._settled), ()

    @property
    def unclaimed(self) -> int:
        """The number of unclaimed units."""
        return len(self._units)

    @property
    def is_collectable(self) -> bool:
        """True if something was settled and not collected."""
        return bool(self._settled)

    @property
    def claimed(self) -> list[Unit]:
        """The units that its worker claimed all at once and that have not ended."""
        return list(self._claimed)

    @property
    def current(self) -> Task | TaskBatch | None:
        """The task that its worker is at, as far as another thread can tell."""
        try:
            unit = self._single or self._unit or next(iter(self._claimed), None)
            return None if unit is None else unit.tasks[0]
        except (IndexError, RuntimeError):  # it is being settled at this very moment
            return None

    @property
    def behind(self) -> list[Task]:
        """The tasks claimed together with `current` and not begun, as far as another thread can tell."""
        units = self.claimed if self._unit is None else [self._unit]
        return [task for unit in units for task in [*unit.tasks]][1:]

    @property
    def held(self) -> list[Task]:
        """All tasks in it, as far as another thread can tell: looked for on the way that they go, so that none of them
        overtakes the look."""
        waiting = [*self._units]
        claimed = [unit for unit in (self._single, self._unit, *self.claimed) if unit is not None]
        settled = [end[0] for end in self._settled[:]]
        return [*(task for unit in (*waiting, *claimed) for task in [*unit.tasks]), *settled]

    @property
    def lane(self) -> Lane | None:
        """The lane of `current`."""
        unit = self._single or self._unit
        return None if unit is None else unit.lane

    def detach(self) -> tuple[TaskChunk, list[Runnable]]:
        """Take everything away from a worker that is stuck in `current`.

        :returns: a chunk with the unit it is at, and units that may run elsewhere: the unclaimed ones, and the tasks
            behind `current` in its lane, which stays held.
        """
        rest = _take_each(self._units)
        stuck = TaskChunk(())
        stuck.moved_at = self.moved_at
        unit, self._unit = self._unit, None
        stuck._single, self._single = self._single, None
        if stuck._single is not None:
            stuck.taken = 1
        elif unit is not None:
            stuck._unit = Unit(unit.lane, [unit.tasks.pop(0)])
            stuck.taken = 1
            rest.append(unit)
        return stuck, rest


def count_of(units: Iterable[Runnable]) -> int:
    """The number of tasks of *units* together."""
    return sum([1 if unit.__class__ is Task else len(unit.tasks) for unit in units])


def take_all(told: list[T]) -> list[T]:
    """Empty a list to which another thread may append meanwhile."""
    if taken := told[:]:
        del told[: len(taken)]
    return taken


def _take_each(queue: list[T]) -> list[T]:
    """Empty a list from its end, from whose front another thread may take meanwhile."""
    taken: list[T] = []
    for _ in range(len(queue)):
        try:
            taken.append(queue.pop())
        except IndexError:
            break
    return taken
