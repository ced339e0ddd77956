"""The work of a worker: one record, under one assignment, in at most one lane.

Rule 1: the identity of a task is (topic, partition, assignment, offset). The
same offset taken twice under two assignments is two tasks.
Rule 2: tasks and units hold data. The order in which they run is decided in ``ordering.py``.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias

from kafka_parallel._core.assignment import Past

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from kafka_parallel._core.assignment import Assignment

# The most waiting tasks of a lane that are kept in a tuple.
FEW = 8


class Task:
    """One record on its way through the consumer.

    :ivar record: the record as Kafka delivered it; this file never looks inside.
    :ivar offset: its offset.
    :ivar key: its ordering key; ``None`` = it needs no order.
    :ivar size: its bytes.
    :ivar queued_at: when it came, in seconds of the monotonic clock.
    :ivar seq: its place in the order of arrival over all partitions, or before it: see ``fairness.py``.
    :ivar attempt: 1 for the first attempt.
    :ivar first_failed_at_ms: when the first attempt failed, in milliseconds since the Unix epoch.
    :ivar failing_since: the same moment in seconds of the monotonic clock.
    :ivar started_at: when its newest attempt began, in seconds of the monotonic clock; not set unless plugins are told
        of it.
    :ivar failed_by: the name of the class of the newest failure's error; ``None`` before that.
    :ivar error: why it cannot run at all (its ordering key could not be computed); raised instead of the handler.
    """

    __slots__ = (
        "assignment", "attempt", "error", "failed_by", "failing_since", "first_failed_at_ms", "key", "lane", "offset",
        "queued_at", "record", "seq", "size", "started_at",
    )  # fmt: skip

    def __init__(self, record: Any, offset: int, key: Hashable | None, size: int, queued_at: float) -> None:
        self.record = record
        self.offset = offset
        self.key = key
        self.size = size
        self.queued_at = queued_at
        self.seq = 0
        self.attempt = 1
        self.first_failed_at_ms: float | None = None
        self.failing_since: float | None = None
        self.failed_by: str | None = None
        self.error: BaseException | None = None
        self.lane: Lane | None = None
        self.assignment: Assignment
        self.started_at: float

    @property
    def tasks(self) -> Sequence[Task]:
        """Itself: a task that runs alone is a unit of its own, and needs no object to say so."""
        return (self,)

    @property
    def past(self) -> Past:
        """The facts that the task's next attempt needs about those before it."""
        return Past(self.attempt, self.first_failed_at_ms, self.failing_since)

    def follow(self) -> Assignment:
        """Belong to the assignment that has its record now, if a jump back has ended its own; return it.

        Only with the lock held. A worker that has the task meanwhile sees either.
        """
        if not self.assignment.live:
            self.assignment = self.assignment.owner_of(self.offset)
        return self.assignment

    @property
    def is_wanted(self) -> bool:
        """True if its outcome counts; from any thread."""
        return self.assignment.keeps(self.offset)

    def recall(self, past: Past) -> None:
        """Go on where an earlier task of the same record ended."""
        self.attempt, self.first_failed_at_ms, self.failing_since = past

    def __repr__(self) -> str:
        return f"<Task {self.assignment} @{self.offset} attempt {self.attempt}>"


# see docs/decisions/0016-key-waits-for-its-past.md
# see docs/decisions/0039-small-in-flight.md
class Lane:
    """The waiting tasks of one ordering key in one scope (see ``lane_scope.py``).

    :ivar waiting: the oldest first. Of many keys each has a few tasks, and an empty deque takes 760 bytes, which costs
        more than time to make it: the tasks in flight no longer fit into the processor's cache. So it is a tuple, made
        anew for each, until there are more than `FEW`.
    """

    __slots__ = ("held", "key", "table", "waiting")

    def __init__(self, key: Hashable, table: LaneTable, waiting: tuple[Task, ...] | deque[Task] = ()) -> None:
        self.key = key
        self.table = table
        self.waiting = waiting
        self.held = False

    def add_last(self, task: Task) -> None:
        """Take in a task that is younger than all others."""
        waiting = self.waiting
        if isinstance(waiting, deque):
            waiting.append(task)
        elif len(waiting) < FEW:
            self.waiting = (*waiting, task)
        else:
            self.waiting = deque((*waiting, task))

    def add_first(self, tasks: Sequence[Task]) -> None:
        """Take back *tasks*, which are older than all others."""
        if isinstance(self.waiting, deque):
            self.waiting.extendleft(reversed(tasks))
        else:
            self.waiting = deque((*tasks, *self.waiting))

    def claim(self, limit: int) -> Sequence[Task]:
        """Take out the oldest tasks, at most *limit*; the lane is held from now on."""
        self.held = True
        waiting = self.waiting
        if isinstance(waiting, tuple):
            self.waiting = waiting[limit:]
            return waiting[:limit]
        if limit == 1:
            return (waiting.popleft(),)
        if len(waiting) > limit:
            return [waiting.popleft() for _ in range(limit)]
        self.waiting = ()
        return [*waiting]


LaneTable: TypeAlias = "dict[Hashable, Lane]"


# see docs/decisions/0039-small-in-flight.md
class Unit:
    """Tasks that must run in order, by one worker: some of a lane. One that runs alone is a unit by itself.

    :ivar tasks: those that are left; no more than a worker takes at once, so a list's front is near enough to its end.
    """

    __slots__ = ("lane", "tasks")

    def __init__(self, lane: Lane | None, tasks: list[Task]) -> None:
        self.lane = lane
        self.tasks = tasks


Runnable: TypeAlias = "Unit | Task"
