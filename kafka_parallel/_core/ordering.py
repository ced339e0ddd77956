"""The records that may run now.

Rule 1: a lane is one ordering key in one scope: the partition, unless ``lane_scope.py`` says otherwise. At most one
unit of a lane is out at any time, and a unit is the lane's oldest tasks in order of arrival. So records of one key run
in order, one at a time.
Rule 2: a lane belongs to its scope, not to an assignment. A unit that still runs when its assignment ends keeps the
lane held, and records of a later assignment of the same scope and key wait for it.
Rule 3: a lane that waits for a retry stays held by it. Nothing else waits for that retry.
Rule 4: of all tasks that may run, the earliest arrival runs first; but a record of a partition that has nothing waiting
does not stand behind all that others have waiting (``fairness.py``).

Theory. Rule 4 is not only fairness. A busy key's next record arrived long before the newest records of the other keys,
so it is always near the front: the busiest key is never idle while others are served, and the total time comes close to
the bound that this key sets. The oldest records also hold the commit point back.

New tasks mostly arrive in order, so those that are ready on arrival are in a plain deque. A task or lane that becomes
ready *again* (a lane with a backlog, a retry) is older than that deque's tail, but mostly younger than all that became
ready again before: handlers end about in the order they began. So that is a second deque, and only the rest goes into a
heap. The next one is the oldest of the three heads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import count
from operator import itemgetter

from kafka_parallel._core.fairness import Arrivals, Turn
from kafka_parallel._core.task import Lane, LaneTable, Runnable, Task, Unit


# see docs/decisions/0004-arrival-order.md
class ByAge:
    """Tasks without order, and lanes whose oldest task may run: oldest first.

    :ivar append: takes in an entry that is younger than all others; it runs once per record, so there is nothing in
        between.
    """

    __slots__ = ("_again", "_fresh", "_older", "_pushed", "append")

    def __init__(self) -> None:
        self._fresh: deque[Task | Lane] = deque()
        self.append = self._fresh.append
        self._again: deque[tuple[int, Task | Lane]] = deque()
        self._older: list[tuple[int, int, Task | Lane]] = []
        self._pushed = count()

    def __len__(self) -> int:
        return len(self._fresh) + len(self._again) + len(self._older)

    def __iter__(self) -> Iterator[Task | Lane]:
        """All entries, in no order."""
        yield from self._fresh
        yield from (pair[1] for pair in self._again)
        yield from (triple[2] for triple in self._older)

    def push(self, entry: Task | Lane) -> None:
        """Take in an entry that may be older than others."""
        seq, again = seq_of(entry), self._again
        if not again or seq > again[-1][0]:
            again.append((seq, entry))
        else:
            heappush(self._older, (seq, next(self._pushed), entry))

    def peek(self) -> Task | Lane | None:
        """The oldest entry."""
        fresh, again = self._fresh, self._oldest_again
        if fresh and (not again or seq_of(fresh[0]) <= again[0][0]):
            return fresh[0]
        return again[0][-1] if again else None

    def oldest_first(self) -> Iterator[Task | Lane]:
        """Take out one entry after the other; nothing may come meanwhile. It runs once per record: it is kept flat."""
        fresh = self._fresh
        if not (self._again or self._older):  # the usual case in no order: nothing became ready again
            while fresh:
                yield fresh.popleft()
        while (entry := self.pop()) is not None:
            yield entry

    def pop(self) -> Task | Lane | None:
        """Take out the oldest entry."""
        fresh, again = self._fresh, self._oldest_again
        if fresh and (not again or seq_of(fresh[0]) <= again[0][0]):
            return fresh.popleft()
        if not again:
            return None
        return (heappop(again) if isinstance(again, list) else again.popleft())[-1]

    @property
    def _oldest_again(self) -> deque[tuple[int, Task | Lane]] | list[tuple[int, int, Task | Lane]]:
        """The queue whose head is the oldest of all that became ready again."""
        again, older = self._again, self._older
        return older if older and (not again or older[0][0] < again[0][0]) else again

    def discard(self, loose: set[Task]) -> None:
        """Forget *loose* tasks, and lanes that have nothing waiting."""
        kept = [entry for entry in self._fresh if _is_alive(entry, loose)]
        self._fresh.clear()
        self._fresh.extend(kept)
        again = [*(pair[1] for pair in self._again), *(triple[2] for triple in self._older)]
        alive = [entry for entry in again if _is_alive(entry, loose)]
        left = sorted(((seq_of(entry), entry) for entry in alive), key=itemgetter(0))
        self._again, self._older = deque(left), []

    def loose(self) -> list[Task]:
        """Return the tasks without order."""
        return [entry for entry in self if isinstance(entry, Task)]


def seq_of(entry: Task | Lane) -> int:
    """The place of an entry in the order of arrival."""
    return entry.seq if isinstance(entry, Task) else entry.waiting[0].seq


def _is_alive(entry: Task | Lane, loose: set[Task]) -> bool:
    return entry not in loose if isinstance(entry, Task) else bool(entry.waiting) and not entry.held


class TaskQueue:
    """The tasks that may run, and the way back for tasks that were taken in vain.

    It has no ``ABCMeta``: asking a queue's class, once per chunk, would cost as much as taking a task out of it.
    """

    def make_ready(self, task: Task) -> None:
        """Let *task* run again, now; the lane it held is free for it."""
        raise NotImplementedError

    def requeue_unit(self, unit: Runnable) -> None:
        """Take back the tasks of *unit* that have to run later, at the front of their lane, which stays held."""
        self.requeue(unit.lane, unit.tasks)

    def requeue(self, lane: Lane | None, tasks: Sequence[Task]) -> None:
        """Take back *tasks*, which are older than all others of their *lane*; that stays held."""
        if lane is not None:
            lane.add_first(tasks)
            return
        for task in tasks:
            self.make_ready(task)


# see docs/decisions/0004-arrival-order.md
# see docs/decisions/0043-flat-hot-path.md
class ReadyQueue(TaskQueue):
    """Everything that may run now, oldest first, over all partitions."""

    def __init__(self) -> None:
        self._entries = ByAge()
        self._arrivals = Arrivals()

    def __len__(self) -> int:
        return len(self._entries)

    def enqueue(self, tasks: Sequence[Task], table: LaneTable, turn: Turn, others: int) -> None:
        """Take in new *tasks*; *table* holds the lanes of their scope. It runs once per record: it is kept flat.

        :param turn: where their partition is in the order.
        :param others: how many other partitions have records.
        """
        if ahead := self._arrivals.go_ahead(tasks, turn, others):
            self._add_ahead(tasks[:ahead], table)
            tasks = tasks[ahead:]
        if not tasks:
            return
        append, seq = self._entries.append, self._arrivals.last
        for task in tasks:
            seq += 1
            task.seq = seq
            key = task.key
            if key is None:
                append(task)
                continue
            lane = table.get(key)
            if lane is None:
                task.lane = lane = table[key] = Lane(key, table, (task,))
                append(lane)
                continue
            task.lane = lane
            if not lane.held and not lane.waiting:
                append(lane)
            lane.add_last(task)
        self._arrivals.last = turn.last = seq
        turn.is_ahead = False

    def _add_ahead(self, tasks: Sequence[Task], table: LaneTable) -> None:
        """Take in *tasks* that have their numbers already."""
        for task in tasks:
            if task.key is None:
                self._entries.push(task)
                continue
            task.lane = lane = table.setdefault(task.key, Lane(task.key, table))
            is_first = not lane.held and not lane.waiting
            lane.add_last(task)
            if is_first:
                self._entries.push(lane)

    def pop_units(self, limit: int) -> list[Runnable]:
        """Take units with at most *limit* tasks in all, oldest first. Their lanes are held from now on."""
        units: list[Runnable] = []
        if limit <= 0:
            return units
        for entry in self._entries.oldest_first():
            if isinstance(entry, Task):
                units.append(entry)
                limit -= 1
            else:
                tasks = entry.claim(limit)
                units.append(tasks[0] if len(tasks) == 1 else Unit(entry, [*tasks]))
                limit -= len(tasks)
            if limit <= 0:
                break
        if units:
            last = units[-1]
            seq = last.seq if isinstance(last, Task) else last.tasks[-1].seq
            self._arrivals.reached = max(self._arrivals.reached, seq)
        return units

    def release(self, lane: Lane) -> None:
        """Let go of *lane*: its next task may run, or it is forgotten if it has none."""
        lane.held = False
        if lane.waiting:
            self._entries.push(lane)
        else:
            lane.table.pop(lane.key, None)

    def make_ready(self, task: Task) -> None:
        """Let *task* run again, now; the lane it held is free for it."""
        if task.lane is None:
            self._entries.push(task)
        else:
            task.lane.add_first((task,))
            self.release(task.lane)

    def forget_dropped(self, tables: Iterable[LaneTable], loose: set[Task]) -> None:
        """Forget *loose* tasks and every lane of *tables* that has nothing waiting and is not held."""
        forget_idle(tables)
        self._entries.discard(loose)

    def unordered_tasks(self) -> list[Task]:
        """Return the tasks without order that wait."""
        return self._entries.loose()


def forget_idle(tables: Iterable[LaneTable]) -> None:
    """Forget every lane of *tables* that has nothing waiting and is not held."""
    for table in tables:
        for lane in [lane for lane in table.values() if not lane.waiting and not lane.held]:
            del table[lane.key]
