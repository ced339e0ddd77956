"""The locked scheduler alone, on one thread: the cost of feeding, taking, running and finishing one record."""

from __future__ import annotations

import gc
import time
from collections import deque

from kafka import TopicPartition

from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.chunk import TaskChunk
from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._core.task import Task
from kafka_parallel._runtime.clock import SystemClock
from kafka_parallel._runtime.loop.locked_scheduler import LockedScheduler

PARTITION = TopicPartition("costs", 0)
BATCH = 500


class DoesNothing:
    """An attempt that succeeds at once."""

    def __call__(self, _: Task) -> None:
        """Succeed."""


def cost_of(records: int, *, keys: int, in_flight: int) -> float:
    """Processor seconds per record with *keys* in the buffer and *in_flight* records taken, one chunk each."""
    queue: LockedScheduler[TopicPartition] = LockedScheduler(
        BufferLimits(records, 1 << 40, records), commits=CommitRules(), attempt=DoesNothing(), clock=SystemClock()
    )
    queue.assign([PARTITION], {}, {})
    queue.learn_positions({PARTITION: 0})
    tasks = [Task(None, offset, offset % keys, 100, 0.0) for offset in range(records)]
    gc.collect()  # garbage found now is not a matter of the measurement
    began = time.process_time()
    for first in range(0, records, BATCH):
        queue.feed({PARTITION: tasks[first : first + BATCH]}, {})
    running: deque[tuple[TaskChunk, Task]] = deque()
    while (chunk := queue.next_chunk_nowait(1)) is not None or running:
        if chunk is not None:
            running.append((chunk, next(iter(chunk))))  # begun at once, or an idle worker would steal it
        if chunk is None or len(running) > in_flight:
            begun, task = running.popleft()
            queue.run(begun, task)
            queue.finish(begun)
    return (time.process_time() - began) / records
