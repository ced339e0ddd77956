"""The time in which a partition belongs to an instance, and the attempts that outlive it.

The instance is told of a partition's end after that end, so any later use of an attempt is wrong. An attempt may still
begin then: its record was taken before. An act of an instance after the end of an attempt is that of an owner, unless
it has told of its end before. An attempt in another process ends for the instance when the report of it arrives.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from kafka import TopicPartition

from kafka_parallel.testing.simulation.calls import Call


class Tenures:
    """The partitions that each instance has given up, and the calls it had begun by then."""

    def __init__(self) -> None:
        self._given_up: dict[str, set[TopicPartition]] = defaultdict(set)
        self._running: dict[str, dict[Call, None]] = defaultdict(dict)
        self._ended: dict[str, dict[Call, set[TopicPartition]]] = defaultdict(dict)
        self._latest: dict[TopicPartition, str] = {}

    def began(self, call: Call) -> None:
        """Note that *call* runs; its records may have been taken before their partitions left."""
        call.gone |= call.partitions & self._given_up[call.instance]
        self._running[call.instance][call] = None

    def ended(self, call: Call) -> None:
        """Note that *call* has ended."""
        if self._running[call.instance].pop(call, 0) is None:
            self._ended[call.instance][call] = set(call.partitions - call.gone)

    def assigned(self, instance: str, partitions: Collection[TopicPartition]) -> None:
        """Note that *partitions* belong to *instance*."""
        self._given_up[instance].difference_update(partitions)
        self._latest.update(dict.fromkeys(partitions, instance))

    def gave_up(self, instance: str, partitions: Collection[TopicPartition]) -> None:
        """Note that *partitions* do not belong to *instance* any more."""
        self._given_up[instance].update(partitions)
        for call in self._running[instance]:
            call.gone |= call.partitions.intersection(partitions)
        for left in self._ended[instance].values():
            left.difference_update(partitions)

    def goes_on(self, instance: str) -> None:
        """Note that *instance* polls or commits: it owns the partitions it has not given up."""
        for call, left in self._ended.pop(instance, {}).items():
            call.owned |= left

    def is_over(self, instance: str, partition: TopicPartition) -> bool:
        """Tell whether *instance* has given *partition* up, and not got it again."""
        return partition in self._given_up[instance]

    def is_latest(self, instance: str, partition: TopicPartition) -> bool:
        """Tell if no other instance was told after *instance* that *partition* is its own.

        A client that joins anew in silence is the owner again a moment before the run notices that another one was.
        """
        return self._latest.get(partition, instance) == instance
