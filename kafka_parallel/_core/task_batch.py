"""The tasks that one call of a batch handler gets."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from kafka_parallel._core.task import Runnable, Task


class TaskBatch:
    """The tasks of one call of a batch handler.

    :ivar units: the units, each of which must run in order; all of them at once.
    :ivar tasks: all tasks in order of arrival, which keeps every lane in order.
    """

    __slots__ = ("tasks", "units")

    def __init__(self, units: Sequence[Runnable]) -> None:
        self.units = units
        tasks = [task for unit in units for task in unit.tasks]
        if len(tasks) > len(units):  # else each is a unit of its own, and these were taken in that order
            tasks.sort(key=attrgetter("seq"))
        self.tasks: Sequence[Task] = tasks
