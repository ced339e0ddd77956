"""At most so many records of a group of partitions are in flight; other partitions go on.

Rule 1: a group says of a partition whether it is of it. The core does not know of what kind it is (a topic's, say).
Rule 2: a record may be of several groups, and starts if each has a place.
Rule 3: a record that ends makes one place, for which the oldest parked one is let go (``parking.py``): not all, for a
flood of thousands may be parked.
Rule 4: the records of a batch take a place each; the first one of a lane decides for those behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kafka_parallel._core.times import AT_ONCE, NEVER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kafka_parallel._core.task import Task


# see docs/decisions/0096-places-of-topics.md
class GroupLimit:
    """See `kafka_parallel._core.start_limit.Limit`.

    :param name: as there.
    :param most: how many records of the group may be in flight.
    :param covers: whether a partition is of the group.
    """

    def __init__(self, name: str, most: int, covers: Callable[[Any], bool]) -> None:
        self.name = name
        self._most, self._covers = most, covers
        self._running: set[Task] = set()

    @property
    def places(self) -> int:
        """How many more may start."""
        return max(0, self._most - len(self._running))

    def earliest_start_of(self, task: Task) -> float:
        """At once if there is a place, or if *task* needs none."""
        is_held = len(self._running) >= self._most and self._covers(task.assignment.partition)
        return NEVER if is_held else AT_ONCE

    def count_starts(self, tasks: Sequence[Task], now: float) -> None:  # noqa: ARG002 - that of all limits
        """Take a place for each of *tasks*."""
        if self._covers(tasks[0].assignment.partition):
            self._running.update(tasks)

    def count_ends(self, tasks: Sequence[Task]) -> bool:
        """Give the places back; those that wait for one are found by `places`."""
        self._running.difference_update(tasks)
        return False
