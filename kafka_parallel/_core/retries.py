"""The failed records that wait to run again, and the number of retries that run.

Rule 1: a waiting task occupies no worker. It stays buffered and keeps its lane.
Rule 2: time is an argument; the earliest due time is all a waiter needs to know.
Rule 3: a task that was let go on counts as running until it is settled or dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from itertools import count

from kafka_parallel._core.task import Task


class Retries:
    """Tasks that wait for their next attempt, and those that are at it.

    :ivar waiting: a heap: when each is due, its place in the order, the how-manieth it is, and itself.
    :ivar running: those that were let go on and are neither settled nor dropped.
    """

    def __init__(self) -> None:
        self.waiting: list[tuple[float, int, int, Task]] = []
        self._added = count()
        self.running: set[Task] = set()

    def schedule(self, task: Task, due: float) -> None:
        """Let *task* wait until *due*."""
        heappush(self.waiting, (due, task.seq, next(self._added), task))

    def let_go_on(self, now: float, most: float) -> list[Task]:
        """Let the tasks go on whose time has come, earliest first, while no more than *most* run."""
        found = []
        while self.waiting and self.waiting[0][0] <= now and len(self.running) < most:
            task = heappop(self.waiting)[-1]
            self.running.add(task)
            found.append(task)
        return found

    def stop_counting(self, tasks: Iterable[Task]) -> None:
        """Note that *tasks* were settled or dropped; it does not matter whether they were retries."""
        self.running.difference_update(tasks)

    @property
    def next_due(self) -> float | None:
        """When the next task is due; ``None`` if none waits."""
        return self.waiting[0][0] if self.waiting else None

    def take_out(self, chosen: Callable[[Task], bool]) -> list[Task]:
        """Take out the *chosen* tasks, due or not."""
        found = [entry[-1] for entry in self.waiting if chosen(entry[-1])]
        if found:
            self.waiting = [entry for entry in self.waiting if not chosen(entry[-1])]
            heapify(self.waiting)
        return found

    def tasks(self) -> list[Task]:
        """Return the waiting tasks, in no order."""
        return [entry[-1] for entry in self.waiting]

    def after(self, end: float) -> list[Task]:
        """Return the tasks that are due later than *end*, in no order."""
        return [task for due, *_, task in self.waiting if due > end]
