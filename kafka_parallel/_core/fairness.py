"""The place of records of a partition that has nothing waiting: not behind all that others have waiting.

Rule 1: records are numbered, and the lowest number runs first. A partition that always has some waiting gets numbers in
order of arrival: so the oldest record runs first, and the busiest key stays near the front.
Rule 2: one that has nothing waiting begins at the number that was reached, and each of its records takes the turn after
all other partitions with records had one. It goes on so until it has caught up with the order of arrival, with some
records of each poll at most.
Rule 3: numbers of a partition only grow. Several partitions may have the same number.

Theory. This is start-time fair queueing (Goyal, Vin and Cheng, 1996), for partitions that gain by it: the number
reached is its virtual time, a record's number its start tag. For all partitions it would finish the small ones first
and then crawl through the one with the busiest key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

# The most records of one poll that go ahead: a partition that gets hundreds at once is not quiet, and each costs a
# place in a heap (1.6 times the whole cost of a record with 100 partitions that are empty at each poll).
MOST_AHEAD = 16


class Numbered(Protocol):
    """A record with a number.

    :ivar seq: the number.
    """

    seq: int


class Turn:
    """The place of one partition in the order.

    :ivar last: the number of its newest record.
    :ivar is_ahead: whether that is lower than by order of arrival.
    """

    __slots__ = ("is_ahead", "last")

    def __init__(self) -> None:
        self.last = 0
        self.is_ahead = False


# see docs/decisions/0004-arrival-order.md
class Arrivals:
    """The numbers of one queue.

    :ivar last: the highest number by order of arrival.
    :ivar reached: the highest number that was taken out.
    """

    __slots__ = ("last", "reached")

    def __init__(self) -> None:
        self.last = 0
        self.reached = 0

    def go_ahead(self, tasks: Sequence[Numbered], turn: Turn, others: int) -> int:
        """Number the first of *tasks*, as many as do not belong at the end; tell how many these are.

        :param others: how many other partitions have records.
        """
        if turn.last > self.reached and not turn.is_ahead:  # the usual case: it has some waiting, or there are none
            return 0
        step, last = max(1, others), self.last
        number = max(self.reached, turn.last + step)
        first = tasks[:MOST_AHEAD]
        for place, task in enumerate(first):
            if number >= last:
                return place
            task.seq = turn.last = number
            turn.is_ahead = True
            number += step
        return len(first)
