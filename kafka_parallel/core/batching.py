"""Which records may run together now, for a handler that takes many at once.

Rule 1: a batch holds records of one group: of the whole consumer (``"mixed"``), of one partition, or of one lane
(records of a partition that need no order are a group too).
Rule 2: a group may give out a batch when it is full (by records or by bytes), when its oldest record has waited long
enough, or when that record's partition is about to leave. Time is an argument.
Rule 3: of several groups that may, the one with the oldest record goes first; within a group what arrived first does,
in the order of ``fairness.py``.
Rule 4: a lane gives its records to one batch at a time, as in ``ordering.py``. What arrives meanwhile waits.

A group is listed in one of two heaps: by age once it may give out a batch, by the time at which it will before that.
Entries are left behind when a group is listed anew; the group itself says which one counts.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import Literal, NamedTuple, TypeAlias, cast

from kafka_parallel.core.fairness import Arrivals, Turn
from kafka_parallel.core.groups import BatchedLane, Group, LaneGroup
from kafka_parallel.core.ordering import Lane, LaneTable, TaskQueue, Unit, forget_idle
from kafka_parallel.core.task import Task

Scope: TypeAlias = Literal["key", "partition", "mixed"]
NEVER = float("inf")


class BatchLimits(NamedTuple):
    """When a batch is given out.

    :ivar records: most records of a batch.
    :ivar bytes: most bytes of a batch; a record that is larger is a batch of its own.
    :ivar wait: seconds that the oldest record of a batch waits for others.
    :ivar scope: which records may be in a batch together.
    """

    records: int
    bytes: float
    wait: float
    scope: Scope


class BatchQueue(TaskQueue):
    """Everything that may run, by group; does for batches what `ReadyQueue` does for single records."""

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._groups: dict[Hashable, Group] = {}
        self._by_age: list[tuple[int, int, Group | LaneGroup]] = []
        self._by_time: list[tuple[float, int, int, Group | LaneGroup]] = []
        self._listed = count()
        self._runnable: set[Group | LaneGroup] = set()
        self._arrivals = Arrivals()

    def __len__(self) -> int:
        """How many groups may give out a batch without waiting for anything."""
        return len(self._runnable)

    def add(self, tasks: Sequence[Task], table: LaneTable, turn: Turn, others: int) -> None:
        """Take in new *tasks*; see `ReadyQueue.add`."""
        ahead = self._arrivals.go_ahead(tasks, turn, others)
        for task in tasks[:ahead]:
            self._add(task, table, is_ahead=True)
        for task in tasks[ahead:]:
            self._arrivals.last += 1
            task.seq = turn.last = self._arrivals.last
            turn.is_ahead = False
            self._add(task, table, is_ahead=False)

    def _add(self, task: Task, table: LaneTable, *, is_ahead: bool) -> None:
        entry: Task | Lane | None = task
        if task.key is None:
            group: Group | LaneGroup = self._group_of(task)
        else:
            lane = self._lane_of(task, table)
            lane.add(task)
            group = lane.group
            if lane.held:
                return
            entry = lane if len(lane.waiting) == 1 else None
        if entry is not None:
            (group.enter_again if is_ahead else group.enter)(entry)
        group.gain((task,))
        self._list(group)

    def take(self, limit: float, now: float) -> list[Unit]:
        """Take the units of one batch with at most *limit* tasks. Their lanes are held from now on."""
        self._look_at_waiting(now)
        while limit > 0 and self._by_age:
            rank, _, group = heappop(self._by_age)
            if group.rank != rank:
                continue
            self._unlist(group)
            oldest = group.oldest()
            units: list[Unit] = []
            if oldest is not None and (self._is_full(group) or self._due(oldest) <= now):
                units = group.take(int(min(limit, self._limits.records)), self._limits.bytes)
            self._list(group)
            if units:
                self._arrivals.reached = max(self._arrivals.reached, units[-1].tasks[-1].seq)
                return units
        return []

    def release(self, lane: Lane) -> None:
        """Let go of *lane*: its next tasks may run, or it is forgotten if it has none."""
        lane.held = False
        if not lane.waiting:
            lane.table.pop(lane.key, None)
        else:
            group = cast("BatchedLane", lane).group
            group.enter_again(lane)
            group.gain(lane.waiting)
            self._list(group)

    def again(self, task: Task) -> None:
        """Let *task* run again, now; the lane it held is free for it."""
        if task.lane is not None:
            task.lane.put_first((task,))
            self.release(task.lane)
            return
        group = self._group_of(task)
        group.enter_again(task)
        group.gain((task,))
        self._list(group)

    def discard(self, tables: Collection[LaneTable], loose: set[Task]) -> None:
        """Forget *loose* tasks and every lane of *tables* that has nothing waiting and is not held."""
        changed: list[Group | LaneGroup] = list(self._groups.values())
        for table in tables:
            changed += [cast("BatchedLane", lane).group for lane in table.values()]
        forget_idle(tables)
        for group in dict.fromkeys(changed):
            group.discard(loose)
            self._unlist(group)
            self._list(group)

    def loose(self) -> list[Task]:
        """Return the tasks without order that wait."""
        return [task for group in self._groups.values() for task in group.loose()]

    @property
    def next_due(self) -> float | None:
        """When a batch is given out although it is not full; a little early at worst. ``None`` if none waits."""
        return self._by_time[0][0] if self._by_time else None

    # Groups

    def _group_of(self, task: Task) -> Group:
        key = None if self._limits.scope == "mixed" else task.assignment.partition
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group()
        return group

    def _lane_of(self, task: Task, table: LaneTable) -> BatchedLane:
        lane = cast("BatchedLane | None", table.get(task.key))
        if lane is None:
            lane = table[task.key] = BatchedLane(task.key, table)
            lane.group = LaneGroup(lane) if self._limits.scope == "key" else self._group_of(task)
        task.lane = lane
        return lane

    # Which group is next

    def _due(self, oldest: Task) -> float:
        return -NEVER if oldest.assignment.draining else oldest.queued_at + self._limits.wait

    def _is_full(self, group: Group | LaneGroup) -> bool:
        return group.tasks >= self._limits.records or group.bytes >= self._limits.bytes

    def _list(self, group: Group | LaneGroup) -> None:
        """List *group* where it belongs, unless it is listed there under the same or an earlier mark."""
        oldest = group.oldest()
        if oldest is None:
            return
        due = self._due(oldest)
        if self._is_full(group) or due == -NEVER:
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
        """List by age what has waited long enough."""
        while self._by_time and self._by_time[0][0] <= now:
            due, *_, group = heappop(self._by_time)
            if group.listed != due:
                continue
            group.listed = NEVER
            oldest = group.oldest()
            if oldest is not None and self._due(oldest) <= now:
                self._list_by_age(group, oldest)
            else:
                self._list(group)
