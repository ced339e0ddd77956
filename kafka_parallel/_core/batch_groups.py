"""The records that may run now, in groups that go into batches together.

Rule 1: a group counts the tasks that may run: those without order, and those of lanes that no batch holds.
Rule 2: a group of one lane needs no queue of its own. There may be one for every key.
Rule 3: a lane counts the bytes that wait in it. So a group gives out the oldest records of a backlog, and takes the
lane back, without looking at all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, islice, takewhile
from typing import cast

from kafka_parallel._core.ordering import ByAge
from kafka_parallel._core.task import Lane, LaneTable, Runnable, Task, Unit
from kafka_parallel._core.times import NEVER


# see docs/decisions/0029-batch-is-a-chunk.md
class Tally:
    """How much may run, and under which marks the queue has listed it.

    :ivar tasks: how many tasks may run now.
    :ivar bytes: their bytes.
    :ivar since: since when the one of them waits that came first; minus infinity if a partition of theirs is about to
        leave, infinity if there are none; ``None`` = it has to be looked for.
    :ivar rank: age under which it is listed as runnable; -1 = it is not.
    :ivar listed: time under which it is listed as waiting; infinite = it is not.
    """

    __slots__ = ("bytes", "listed", "rank", "since", "tasks")

    def __init__(self) -> None:
        self.tasks = 0
        self.bytes = 0
        self.since: float | None = NEVER
        self.rank = -1
        self.listed = NEVER

    def gain(self, tasks: int, size: int, first: Task) -> None:
        """Count *tasks* more that may run from now on, of *size* bytes; *first* came before the others."""
        self.tasks += tasks
        self.bytes += size
        if self.since is not None:
            self.since = min(self.since, since_of(first))

    def lose(self, tasks: int, size: int) -> None:
        """Count *tasks* less, of *size* bytes."""
        self.tasks -= tasks
        self.bytes -= size
        self.since = None if self.tasks else NEVER


class BatchedLane(Lane):
    """A lane that knows its group.

    :param task: the first that waits in it.
    :ivar bytes: how many bytes wait in it.
    """

    __slots__ = ("bytes", "group")

    def __init__(self, task: Task, table: LaneTable) -> None:
        Lane.__init__(self, task.key, table, (task,))  # super() takes longer, for each record of a key of its own
        self.bytes = task.size
        self.group: Group | LaneGroup

    def add_last(self, task: Task) -> None:
        """Take in a task that is younger than all others."""
        self.bytes += task.size
        Lane.add_last(self, task)

    def add_first(self, tasks: Sequence[Task]) -> None:
        """Take back *tasks*, which are older than all others."""
        self.bytes += size_of(tasks)
        Lane.add_first(self, tasks)

    def claim(self, limit: int) -> Sequence[Task]:
        """Take out the oldest tasks, at most *limit*; the lane is held from now on."""
        waiting = self.waiting
        if len(waiting) <= limit:
            self.held, self.waiting, self.bytes = True, (), 0
            return waiting
        claimed = Lane.claim(self, limit)
        self.bytes -= size_of(claimed)
        return claimed

    def fitting(self, records: int, size: float) -> int:
        """The number of its oldest tasks that are at most *records* and have at most *size* bytes."""
        if self.bytes <= size:
            waiting = len(self.waiting)
            return waiting if waiting < records else records
        ends = accumulate(task.size for task in islice(self.waiting, records))
        return sum(1 for _ in takewhile(lambda end: end <= size, ends))

    def recount(self) -> None:
        """Count anew: some that waited may be gone."""
        self.bytes = size_of(self.waiting)


class LaneGroup(Tally):
    """A batch group that holds exactly one lane."""

    __slots__ = ("_lane",)

    def __init__(self, lane: BatchedLane) -> None:
        super().__init__()
        self._lane = lane

    def enter_newest(self, entry: Task | Lane) -> None:
        """Learn of an entry that may run; the lane is known already."""

    enter_older = enter_newest

    def oldest(self) -> Task | None:
        """The task that would be taken first."""
        lane = self._lane
        return lane.waiting[0] if lane.waiting and not lane.held else None

    def pop_units(self, records: int, size: float) -> list[Runnable]:
        """Take a unit with at most *records* tasks and *size* bytes, one task at least."""
        lane = self._lane
        self.lose(self.tasks, self.bytes)
        return [unit_of(lane, lane.claim(lane.fitting(records, size) or 1))]

    def discard(self, _: set[Task]) -> None:
        """Forget the discarded tasks."""
        lane = self._lane
        self.lose(self.tasks, self.bytes)
        if lane.waiting and not lane.held:
            self.gain(len(lane.waiting), lane.bytes, lane.waiting[0])

    def waits_since(self) -> float:
        """Tell `since`; a lane's oldest task came first."""
        oldest = self.oldest()
        return NEVER if oldest is None else since_of(oldest)

    def loose(self) -> list[Task]:
        """Return the tasks without order: there are none."""
        return []


class Group(Tally):
    """Lanes and tasks without order, oldest first.

    :ivar enter_newest: takes in an entry that arrived after all others; see `ByAge.append`.
    :ivar enter_older: takes in an entry that may be older than others.
    """

    __slots__ = ("_entries", "enter_newest", "enter_older")

    def __init__(self) -> None:
        super().__init__()
        self._entries = ByAge()
        self.enter_newest = self._entries.append
        self.enter_older = self._entries.push

    def oldest(self) -> Task | None:
        """The task that would be taken first."""
        entry = self._entries.peek()
        return entry.waiting[0] if isinstance(entry, Lane) else entry

    def pop_units(self, records: int, size: float) -> list[Runnable]:
        """Take units with at most *records* tasks and *size* bytes, one task at least. It runs once per unit."""
        units: list[Runnable] = []
        count, total, pop = 0, 0, self._entries.pop
        while count < records and (entry := pop()) is not None:
            if isinstance(entry, Task):
                if units and total + entry.size > size:
                    self.enter_older(entry)
                    break
                units.append(entry)
                count += 1
                total += entry.size
                continue
            lane: BatchedLane = entry  # type: ignore[assignment]  # as `cast`, without its call for each unit
            fit = lane.fitting(records - count, size - total) or (0 if units else 1)
            if not fit:
                self.enter_older(entry)
                break
            before, tasks = lane.bytes, lane.claim(fit)
            units.append(unit_of(lane, tasks))
            count += len(tasks)
            total += before - lane.bytes
            if lane.waiting:  # the rest of the lane may not run either
                self.lose(len(lane.waiting), lane.bytes)
        self.lose(count, total)
        return units

    def waits_since(self) -> float:
        """Tell `since`. The oldest by number may have come later: see ``fairness.py``.

        So all are looked at, once after some were taken and less than a batch is left.
        """
        if self.since is None:
            firsts = [entry.waiting[0] if isinstance(entry, Lane) else entry for entry in self._entries]
            self.since = min(map(since_of, firsts), default=NEVER)
        return self.since

    def discard(self, loose: set[Task]) -> None:
        """Forget *loose* tasks, and lanes with nothing to run."""
        self._entries.discard(loose)
        self.lose(self.tasks, self.bytes)
        for entry in self._entries:
            if isinstance(entry, Task):
                self.gain(1, entry.size, entry)
            else:
                self.gain(len(entry.waiting), cast("BatchedLane", entry).bytes, entry.waiting[0])

    def loose(self) -> list[Task]:
        """Return the tasks without order."""
        return self._entries.loose()


def unit_of(lane: Lane, tasks: Sequence[Task]) -> Runnable:
    """Make a unit of *tasks* of *lane*."""
    return tasks[0] if len(tasks) == 1 else Unit(lane, [*tasks])


def since_of(task: Task) -> float:
    """Since when *task* waits; if its partition is about to leave, it has waited long enough."""
    return -NEVER if task.assignment.draining else task.queued_at


def size_of(tasks: Iterable[Task]) -> int:
    """The bytes of *tasks* together."""
    return sum([task.size for task in tasks])
