"""The records that may run together now, for a handler that takes many at once.

Rule 1: a batch holds records of one group: of the whole consumer (``"mixed"``), of one partition (of all that share
their lanes, see ``lane_scope.py``), or of one lane (records of a partition that need no order are a group too).
Rule 2: a group may give out a batch when it is full (by records or by bytes), when a record of it has waited long
enough, or when one's partition is about to leave. Time is an argument.
Rule 3: of several groups that may, the one with the oldest record goes first; within a group the earliest arrival does,
in the order of ``fairness.py``.
Rule 4: a lane gives its records to one batch at a time, as in ``ordering.py``. Records that arrive meanwhile wait.

A group is listed in one of two heaps: by age once it may give out a batch, by the time at which it will before that.
Entries are left behind when a group is listed anew; the group itself says which one counts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import Literal, NamedTuple, TypeAlias, cast

from kafka_parallel._core.batch_groups import BatchedLane, Group, LaneGroup
from kafka_parallel._core.fairness import Arrivals, Turn
from kafka_parallel._core.ordering import TaskQueue, forget_idle
from kafka_parallel._core.task import Lane, LaneTable, Runnable, Task
from kafka_parallel._core.times import NEVER

BatchOf: TypeAlias = Literal["key", "partition", "mixed"]


# see docs/decisions/0029-batch-is-a-chunk.md
class BatchLimits(NamedTuple):
    """When a batch is given out.

    :ivar records: most records of a batch.
    :ivar bytes: most bytes of a batch; a record that is larger is a batch of its own.
    :ivar wait: seconds that the oldest record of a batch waits for others.
    :ivar of: which records may be in a batch together.
    """

    records: int
    bytes: float
    wait: float
    of: BatchOf


class BatchQueue(TaskQueue):
    """The tasks that may run, by group; does for batches the work of `ReadyQueue` for single records."""

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._groups: dict[Hashable, Group] = {}
        self._by_age: list[tuple[int, int, Group | LaneGroup]] = []
        self._by_time: list[tuple[float, int, int, Group | LaneGroup]] = []
        self._listed = count()
        self._runnable: set[Group | LaneGroup] = set()
        self._arrivals = Arrivals()

    def __len__(self) -> int:
        """The number of groups that may give out a batch without waiting for anything."""
        return len(self._runnable)

    def enqueue(self, tasks: Sequence[Task], table: LaneTable, turn: Turn, others: int) -> None:
        """Take in new *tasks*; see `ReadyQueue.enqueue`."""
        if ahead := self._arrivals.go_ahead(tasks, turn, others):
            self._enter(tasks[:ahead], table, is_ahead=True)
            tasks = tasks[ahead:]
        if not tasks:
            return
        for seq, task in enumerate(tasks, self._arrivals.last + 1):
            task.seq = seq
        self._arrivals.last = turn.last = tasks[-1].seq
        turn.is_ahead = False
        self._enter(tasks, table, is_ahead=False)

    def _enter(self, tasks: Sequence[Task], table: LaneTable, *, is_ahead: bool) -> None:
        """Take in *tasks* of one partition, which have their numbers."""
        group = self._group_of(tasks[0])
        enter = group.enter_older if is_ahead else group.enter_newest
        if self._limits.of == "key":
            self._enter_lanes([task for task in tasks if task.key is not None], table)
            tasks = [task for task in tasks if task.key is None]
        count, size = self._enter_group(tasks, table, enter)
        if count:
            group.gain(count, size, tasks[0])
            self._list(group)

    def _enter_group(
        self, tasks: Sequence[Task], table: LaneTable, enter: Callable[[Task | Lane], object]
    ) -> tuple[int, int]:
        """Let *tasks* or their lanes *enter* a group; tell how many of them may run, and their bytes.

        It runs once per record: it is kept flat.
        """
        count, size = len(tasks), 0
        for task in tasks:
            if task.key is None:
                enter(task)
                size += task.size
                continue
            lane = task.lane = table.get(task.key)
            if lane is None:
                lane, is_first = self._new_lane(task, table), True
            else:
                is_first = not lane.waiting
                lane.add_last(task)
            if lane.held:
                count -= 1
                continue
            size += task.size
            if is_first:
                enter(lane)
        return count, size

    def _enter_lanes(self, tasks: Sequence[Task], table: LaneTable) -> None:
        """Take in *tasks*, each into the group of its own lane."""
        groups: dict[Group | LaneGroup, None] = {}
        for task in tasks:
            lane = task.lane = table.get(task.key)
            if lane is None:
                lane = self._new_lane(task, table)
            else:
                lane.add_last(task)
            if not lane.held:
                group = cast("BatchedLane", lane).group
                group.gain(1, task.size, task)
                groups[group] = None
        for group in groups:
            self._list(group)

    def pop_batch(self, limit: float, now: float) -> list[Runnable]:
        """Take the units of one batch with at most *limit* tasks. Their lanes are held from now on."""
        self._look_at_waiting(now)
        while limit > 0 and self._by_age:
            rank, _, group = heappop(self._by_age)
            if group.rank != rank:
                continue
            self._unlist(group)
            units: list[Runnable] = []
            if self._is_full(group) or self._due(group) <= now:
                units = group.pop_units(int(min(limit, self._limits.records)), self._limits.bytes)
            self._list(group)
            if units:
                self._arrivals.reached = max(self._arrivals.reached, units[-1].tasks[-1].seq)
                return units
        return []

    def release(self, lane: Lane) -> None:
        """Let go of *lane*: its next tasks may run, or it is forgotten if it has none."""
        self.release_all((cast("BatchedLane", lane),))

    def release_all(self, lanes: Iterable[BatchedLane]) -> None:
        """Let go of *lanes* in one act; it runs once per unit."""
        groups: dict[Group | LaneGroup, None] = {}
        for lane in lanes:
            lane.held = False
            if not lane.waiting:
                lane.table.pop(lane.key, None)
                continue
            group = lane.group
            group.enter_older(lane)
            group.gain(len(lane.waiting), lane.bytes, lane.waiting[0])
            groups[group] = None
        for group in groups:
            self._list(group)

    def make_ready(self, task: Task) -> None:
        """Let *task* run again, now; the lane it held is free for it."""
        if task.lane is not None:
            task.lane.add_first((task,))
            self.release(task.lane)
            return
        group = self._group_of(task)
        group.enter_older(task)
        group.gain(1, task.size, task)
        self._list(group)

    def forget_dropped(self, tables: Collection[LaneTable], loose: set[Task]) -> None:
        """Forget *loose* tasks and every lane of *tables* that has nothing waiting and is not held."""
        changed: list[Group | LaneGroup] = list(self._groups.values())
        for lane in [cast("BatchedLane", lane) for table in tables for lane in table.values()]:
            lane.recount()
            changed.append(lane.group)
        forget_idle(tables)
        for group in dict.fromkeys(changed):
            group.discard(loose)
            self._unlist(group)
            self._list(group)

    def unordered_tasks(self) -> list[Task]:
        """Return the tasks without order that wait."""
        return [task for group in self._groups.values() for task in group.loose()]

    @property
    def next_due(self) -> float | None:
        """When a batch is given out although it is not full; a little early at worst. ``None`` if none waits."""
        return self._by_time[0][0] if self._by_time else None

    # Groups

    def _group_of(self, task: Task) -> Group:
        key = None if self._limits.of == "mixed" else task.assignment.scope
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group()
        return group

    def _new_lane(self, task: Task, table: LaneTable) -> BatchedLane:
        lane = task.lane = table[task.key] = BatchedLane(task, table)
        lane.group = LaneGroup(lane) if self._limits.of == "key" else self._group_of(task)
        return lane

    # The next group

    def _due(self, group: Group | LaneGroup) -> float:
        return group.waits_since() + self._limits.wait

    def _is_full(self, group: Group | LaneGroup) -> bool:
        return group.tasks >= self._limits.records or group.bytes >= self._limits.bytes

    def _list(self, group: Group | LaneGroup) -> None:
        """List *group* where it belongs, unless it is listed there under the same or an earlier mark."""
        oldest = group.oldest()
        if oldest is None:
            return
        if self._is_full(group) or (due := self._due(group)) == -NEVER:
            self._list_by_age(group, oldest)
        elif group not in self._runnable and due < group.listed:
            group.listed = due
            heappush(self._by_time, (due, oldest.seq, next(self._listed), group))

    def _list_by_age(self, group: Group | LaneGroup, oldest: Task) -> None:
        if group not in self._runnable or oldest.seq < group.rank:
            group.rank = oldest.seq
            self._runnable.add(group)
            heappush(self._by_age, (oldest.seq, next(self._listed), group))

    def _unlist(self, group: Group | LaneGroup) -> None:
        group.rank, group.listed = -1, NEVER
        self._runnable.discard(group)

    def _look_at_waiting(self, now: float) -> None:
        """List by age the groups that have waited long enough."""
        while self._by_time and self._by_time[0][0] <= now:
            due, *_, group = heappop(self._by_time)
            if group.listed != due:
                continue
            group.listed = NEVER
            oldest = group.oldest()
            if oldest is not None and self._due(group) <= now:
                self._list_by_age(group, oldest)
            else:
                self._list(group)
