"""Which failed records are due to run again.

Rule 1: a waiting task occupies no worker. It stays buffered and keeps its lane.
Rule 2: time is an argument; the earliest due time is all a waiter needs to know.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush

from kafka_parallel.core.task import Task


class Retries:
    """Tasks that wait for their next attempt."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Task]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, task: Task, due: float) -> None:
        """Let *task* wait until *due*."""
        heappush(self._waiting, (due, task.seq, task))

    def due(self, now: float) -> list[Task]:
        """Take out the tasks whose time has come, earliest first."""
        found = []
        while self._waiting and self._waiting[0][0] <= now:
            found.append(heappop(self._waiting)[2])
        return found

    @property
    def next_due(self) -> float | None:
        """When the next task is due; ``None`` if none waits."""
        return self._waiting[0][0] if self._waiting else None

    def take_out(self, chosen: Callable[[Task], bool]) -> list[Task]:
        """Take out the *chosen* tasks, due or not."""
        found = [entry[2] for entry in self._waiting if chosen(entry[2])]
        if found:
            self._waiting = [entry for entry in self._waiting if not chosen(entry[2])]
            heapify(self._waiting)
        return found

    def tasks(self) -> list[Task]:
        """Return the waiting tasks, in no order."""
        return [entry[2] for entry in self._waiting]
