"""Keeps the known ends of logs fresh while some thread wants to know them.

The loop looks every few seconds, and asks the cluster without waiting. Answers come on any thread and are taken in at
the next round. While the loop does not come round nothing is asked, and what gets stale is not told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from kafka_parallel._core.log_ends import LogEnds

if TYPE_CHECKING:
    from kafka import TopicPartition

    from kafka_parallel._runtime.client.client_partitions import ClientPartitions
    from kafka_parallel._runtime.clock import Clock


class LogEndWatch:
    """The ends of the logs of one client's partitions."""

    def __init__(self, partitions: ClientPartitions, clock: Clock) -> None:
        self._partitions = partitions
        self._clock = clock
        self._ends: LogEnds[TopicPartition] = LogEnds()
        self._answers: deque[tuple[float, Mapping[TopicPartition, int]]] = deque()

    def look_if_due(self, now: float) -> None:
        """Take in answers, look at the partitions, and ask for ends if need be; on the thread of the loop."""
        while self._answers:
            asked_at, ends = self._answers.popleft()
            self._ends.answered(ends, asked_at)
        if self._ends.note_round(now) and (asked := self._ends.look(self._partitions.fetched_ends(), now)):
            self._partitions.ask_for_ends(asked, partial(self._answered, now))

    def _answered(self, asked_at: float, ends: Mapping[TopicPartition, int]) -> None:
        self._answers.append((asked_at, ends))

    def known(self) -> dict[TopicPartition, int]:
        """The ends that are known; any thread may ask."""
        now = self._clock.monotonic()
        self._ends.want(now)
        return self._ends.known(self._partitions.fetched_ends(), now)
