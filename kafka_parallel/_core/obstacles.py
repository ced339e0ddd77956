"""The obstacles of all partitions at one moment: the part of an explanation that the scheduler knows.

Rule 1: nothing is kept for it. It is read when it is asked for, in one act.
Rule 2: an obstacle is named where it is decided: that of a record in ``standstill.py``, that of fetching in
``backpressure.py``.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from kafka_parallel._core.progress import at_work

if TYPE_CHECKING:
    from kafka_parallel._core.buffer_limits import BufferLimits, Load
    from kafka_parallel._core.scheduler import Scheduler
    from kafka_parallel._core.standstill import Standing
    from kafka_parallel._core.task import Task
    from kafka_parallel._core.task_batch import TaskBatch

P = TypeVar("P", bound=Hashable)


class Head(NamedTuple):
    """The record that holds the commit point of a partition.

    :ivar standing: its offset and its obstacle.
    :ivar record: the record as Kafka delivered it; ``None`` if it stopped the run.
    """

    standing: Standing
    record: Any | None


@dataclass(frozen=True, slots=True)
class Obstacles(Generic[P]):
    """The obstacles at one moment.

    :ivar heads: of each partition with unfinished records, the lowest of these.
    :ivar running: the handlers that run, each with the time since when, overdue ones included.
    :ivar paused_for: of each partition that is not fetched, the limit that it reached, or the plugin that lets nothing
        start.
    :ivar held_until: of each partition whose next record is not due, the time of that, in seconds of the monotonic
        clock.
    :ivar unfinished: of each partition, its records that were taken and are not finished.
    :ivar spans: of each partition, the offsets from the committed one to the newest taken.
    :ivar total: the load of all partitions.
    :ivar limits: the limits of the buffer.
    :ivar closed_by: the plugin that lets no record start; ``None`` if records may.
    :ivar in_flight: how many records workers have.
    :ivar assigned: how many partitions are ours.
    """

    heads: Mapping[P, Head]
    running: Sequence[tuple[Task | TaskBatch, float]]
    paused_for: Mapping[P, str]
    held_until: Mapping[P, float]
    unfinished: Mapping[P, int]
    spans: Mapping[P, int]
    total: Load
    limits: BufferLimits
    closed_by: str | None
    in_flight: int
    assigned: int

    def head_offset(self, partition: P) -> int | None:
        """The offset that holds the commit point of *partition*; ``None`` if nothing of it is unfinished."""
        head = self.heads.get(partition)
        return None if head is None else head.standing.offset


def obstacles(scheduler: Scheduler[P], now: float) -> Obstacles[P]:
    """Tell all obstacles of *now*."""
    progress, backpressure = scheduler.progress(), scheduler.backpressure
    standings = {partition: scheduler.standing(partition, now) for partition in progress}
    heads = {
        partition: Head(standing, None if (task := progress[partition].head) is None else task.record)
        for partition, standing in standings.items()
        if standing is not None
    }
    return Obstacles(
        heads,
        at_work(scheduler.dispatch),
        backpressure.reasons,
        backpressure.held_until,
        {partition: found.unfinished for partition, found in progress.items()},
        {partition: found.span for partition, found in progress.items()},
        backpressure.total(),
        backpressure.limits,
        scheduler.throttles.closed_by,
        scheduler.dispatch.in_flight,
        len(progress),
    )
