"""What may run now of the records that go into batches together.

Rule 1: a group counts what may run: tasks without order, and those of lanes that no batch holds.
Rule 2: a group of one lane needs no queue of its own. There may be one for every key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from kafka_parallel.core.ordering import ByAge, Lane, LaneTable, Unit
from kafka_parallel.core.task import Task

NEVER = float("inf")


class Tally:
    """How much may run, and under which marks the queue has listed it.

    :ivar tasks: how many tasks may run now.
    :ivar bytes: their bytes.
    :ivar rank: age under which it is listed as runnable; -1 = it is not.
    :ivar listed: time under which it is listed as waiting; infinite = it is not.
    """

    __slots__ = ("bytes", "listed", "rank", "tasks")

    def __init__(self) -> None:
        self.tasks = 0
        self.bytes = 0
        self.rank = -1
        self.listed = NEVER

    def gain(self, tasks: Iterable[Task]) -> None:
        """Count *tasks* that may run from now on."""
        for task in tasks:
            self.tasks += 1
            self.bytes += task.size

    def recount(self, tasks: Iterable[Task]) -> None:
        """Count anew: just *tasks* may run."""
        self.tasks = self.bytes = 0
        self.gain(tasks)


class BatchedLane(Lane):
    """A lane that knows its group."""

    __slots__ = ("group",)

    def __init__(self, key: object, table: LaneTable) -> None:
        super().__init__(key, table)
        self.group: Group | LaneGroup


class LaneGroup(Tally):
    """The group of one lane."""

    __slots__ = ("_lane",)

    def __init__(self, lane: Lane) -> None:
        super().__init__()
        self._lane = lane

    def enter(self, entry: Task | Lane) -> None:
        """Learn of an entry that may run; the lane is known already."""

    enter_again = enter

    def oldest(self) -> Task | None:
        """The task that would be taken first."""
        lane = self._lane
        return lane.waiting[0] if lane.waiting and not lane.held else None

    def take(self, records: int, size: float) -> list[Unit]:
        """Take a unit with at most *records* tasks and *size* bytes, one task at least."""
        waiting = self._lane.waiting
        unit = Unit(self._lane, [*self._lane.claim(fitting(waiting, records, size) or 1)])
        self.recount(())
        return [unit]

    def discard(self, _: set[Task]) -> None:
        """Forget what is gone."""
        self.recount(() if self._lane.held else self._lane.waiting)


class Group(Tally):
    """Lanes and tasks without order, oldest first."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        super().__init__()
        self._entries = ByAge()

    def enter(self, entry: Task | Lane) -> None:
        """Take in an entry that arrived after all others."""
        self._entries.append(entry)

    def enter_again(self, entry: Task | Lane) -> None:
        """Take in an entry that may be older than others."""
        self._entries.push(entry)

    def oldest(self) -> Task | None:
        """The task that would be taken first."""
        entry = self._entries.peek()
        return entry.waiting[0] if isinstance(entry, Lane) else entry

    def take(self, records: int, size: float) -> list[Unit]:
        """Take units with at most *records* tasks and *size* bytes, one task at least."""
        units: list[Unit] = []
        while records > 0 and (entry := self._entries.peek()) is not None:
            waiting = tasks_of(entry)
            fit = fitting(waiting, records, size) or (0 if units else 1)
            if not fit:
                break
            self._entries.pop()
            self._lose(waiting)
            unit = Unit(entry, [*entry.claim(fit)]) if isinstance(entry, Lane) else Unit(None, list(waiting))
            units.append(unit)
            records -= fit
            size -= sum(task.size for task in unit.tasks)
        return units

    def _lose(self, tasks: Iterable[Task]) -> None:
        for task in tasks:
            self.tasks -= 1
            self.bytes -= task.size

    def discard(self, loose: set[Task]) -> None:
        """Forget *loose* tasks, and lanes with nothing to run."""
        self._entries.discard(loose)
        self.recount(task for entry in self._entries for task in tasks_of(entry))

    def loose(self) -> list[Task]:
        """Return the tasks without order."""
        return self._entries.loose()


def tasks_of(entry: Task | Lane) -> Collection[Task]:
    """What may run of an entry."""
    return entry.waiting if isinstance(entry, Lane) else (entry,)


def fitting(waiting: Iterable[Task], records: int, size: float) -> int:
    """How many of *waiting*, from the first on, are at most *records* tasks and *size* bytes."""
    fit = 0
    for task in waiting:
        size -= task.size
        if fit == records or size < 0:
            break
        fit += 1
    return fit
