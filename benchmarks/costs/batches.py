"""Records one by one and in batches, on one thread: the cost of feeding, taking, running and finishing one record."""

from __future__ import annotations

import gc
import time
from typing import Any

from kafka import TopicPartition

from benchmarks.costs.queue import BATCH, PARTITION
from kafka_parallel._core.batch_queue import NEVER, BatchLimits
from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._core.task import Task
from kafka_parallel._runtime.clock import SystemClock
from kafka_parallel._runtime.handlers.batch_attempt import BatchAttempts, of_list
from kafka_parallel._runtime.handlers.record_attempt import Attempts
from kafka_parallel._runtime.loop.locked_scheduler import LockedScheduler

# So many records are in the buffer before any is handled: the default bound.
BUFFERED = 2_000
# So many records a worker takes at once that gets them one by one.
CHUNK = 100


def cost_of(records: int, *, batch: int, keys: int | None) -> float:
    """Processor seconds per record for a handler that does nothing.

    :param batch: how many records it gets; 1 = one by one, not in lists.
    :param keys: how many ordering keys there are; ``None`` = no order.
    """
    queue = _queue(batch)
    tasks = [Task(None, offset, keys and offset % keys, 100, 0.0) for offset in range(records)]
    gc.collect()  # garbage found now is not a matter of the measurement
    began = time.process_time()
    for first in range(0, records, BUFFERED):
        _feed(queue, tasks[first : first + BUFFERED])
        _work_off(queue)
    lasted = time.process_time() - began
    if (handled := queue.ask(lambda scheduler: scheduler.dispatch.totals.processed)) != records:
        raise RuntimeError(f"{handled} of {records} records were handled")
    return lasted / records


def _queue(batch: int) -> LockedScheduler[TopicPartition]:
    def handle(_: Any) -> None:
        """Do nothing."""

    clock = SystemClock()
    attempts = Attempts(handle, None, _decide, None, clock)
    is_batch = batch > 1
    queue: LockedScheduler[TopicPartition] = LockedScheduler(
        BufferLimits(BUFFERED, 1 << 40, 1 << 40),
        commits=CommitRules(),
        attempt=attempts,
        clock=clock,
        batches=BatchLimits(batch, 1 << 40, NEVER, "mixed") if is_batch else None,
        attempt_batch=BatchAttempts(of_list(handle), None, attempts) if is_batch else None,
    )
    queue.assign([PARTITION], {}, {})
    queue.learn_positions({PARTITION: 0})
    return queue


def _decide(**_: Any) -> None:
    """Decide nothing: no record fails."""


def _feed(queue: LockedScheduler[TopicPartition], tasks: list[Task]) -> None:
    for first in range(0, len(tasks), BATCH):
        queue.feed({PARTITION: tasks[first : first + BATCH]}, {})


def _work_off(queue: LockedScheduler[TopicPartition]) -> None:
    """Do the work of a worker until nothing is left."""
    chunk = queue.next_chunk_nowait(CHUNK)
    while chunk is not None:
        for item in chunk:
            queue.run(chunk, item)
        chunk = queue.next_chunk_nowait(CHUNK, chunk)
