"""What a worker runs: one record, under one assignment, in at most one lane.

Rule 1: the identity of a task is (topic, partition, epoch, offset); the epoch is the `Assignment` it belongs to. The
same offset taken twice under two assignments is two tasks.
Rule 2: tasks and units hold data. Who may run when is decided in ``ordering.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from kafka_parallel.core.assignment import Assignment
    from kafka_parallel.core.ordering import Lane


class Past(NamedTuple):
    """What is known of the earlier attempts at a record: the fields of `Task` with these names."""

    attempt: int
    first_failed_at: float | None
    failing_since: float | None


class Task:
    """One record on its way through the consumer.

    :ivar record: the record as Kafka delivered it; this file never looks inside.
    :ivar offset: its offset.
    :ivar key: its ordering key; ``None`` = it needs no order.
    :ivar size: its bytes.
    :ivar queued_at: when it came, in seconds of the monotonic clock.
    :ivar seq: its place in the order of arrival over all partitions, or before it: see ``fairness.py``.
    :ivar attempt: 1 for the first attempt.
    :ivar first_failed_at: when the first attempt failed, in seconds since the Unix epoch.
    :ivar failing_since: the same moment in seconds of the monotonic clock.
    :ivar started_at: when its newest attempt began, in seconds of the monotonic clock; not there if nobody asks.
    :ivar error: why it cannot run at all (its ordering key could not be computed); raised instead of the handler.
    """

    __slots__ = (
        "assignment", "attempt", "error", "failing_since", "first_failed_at", "key", "lane", "offset", "queued_at",
        "record", "seq", "size", "started_at",
    )  # fmt: skip

    def __init__(self, record: Any, offset: int, key: Hashable | None, size: int, queued_at: float) -> None:
        self.record = record
        self.offset = offset
        self.key = key
        self.size = size
        self.queued_at = queued_at
        self.seq = 0
        self.attempt = 1
        self.first_failed_at: float | None = None
        self.failing_since: float | None = None
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
        """What the task's next attempt has to know of those before it."""
        return Past(self.attempt, self.first_failed_at, self.failing_since)

    def recall(self, past: Past) -> None:
        """Go on where an earlier task of the same record ended."""
        self.attempt, self.first_failed_at, self.failing_since = past

    def __repr__(self) -> str:
        return f"<Task {self.assignment} @{self.offset} attempt {self.attempt}>"
