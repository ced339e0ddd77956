"""The progress that an instance tells, compared with the logs and the brokers, when nothing happens any more."""

from __future__ import annotations

from typing import Any

from kafka import TopicPartition

from kafka_parallel.facts import PartitionProgress
from kafka_parallel.testing.fake import FakeCluster
from kafka_parallel.testing.simulation.checker import Checker
from kafka_parallel.testing.simulation.instance import Instance

# How long the instances get to take in the last answers, in seconds.
REST = 3.0


class ProgressJudge:
    """Judges the progress of instances.

    :param topic: the topic to which it applies; records of retry topics may have to wait.
    :param is_exact: false where answers of brokers are lost: then a commit may be stored and not be known.
    """

    def __init__(self, cluster: FakeCluster, checker: Checker, topic: str, *, is_exact: bool) -> None:
        self._cluster = cluster
        self._checker = checker
        self._topic = topic
        self._is_exact = is_exact

    def at_rest(self, instance: Instance) -> None:
        """Judge an *instance* after all was done and committed: nothing is left."""
        for partition, seen in self._seen(instance).items():
            if seen.lag is not None and not seen.paused_by and seen.lag:
                self._violate(instance, partition, seen, "all is done")
            stored = self._checker.committed.offset(partition)
            if self._is_exact and seen.committed is not None and seen.committed != stored:
                self._violate(instance, partition, seen, f"{stored} is stored")

    def at_standstill(self, instance: Instance) -> None:
        """Judge an *instance* of which some handlers never return: all that they keep from being done is left."""
        for partition, seen in self._seen(instance).items():
            left = self._checker.committed.left(partition)
            if seen.log_end == self._cluster.logs[partition].end and seen.lag is not None and seen.lag < left:
                self._violate(instance, partition, seen, f"{left} records are left")

    def _seen(self, instance: Instance) -> dict[TopicPartition, PartitionProgress]:
        """The progress of the partitions that the group considers its own; those of a frozen one may be others'."""
        found = instance.progress()
        owned = {partition: seen for partition, seen in found.items() if instance.consumer.owns(partition)}
        for partition, seen in owned.items():
            self._require_order(instance, partition, seen)
        return {partition: seen for partition, seen in owned.items() if partition.topic == self._topic}

    def _require_order(self, instance: Instance, partition: TopicPartition, seen: PartitionProgress) -> None:
        """Require of the numbers of one moment what holds at each: they follow each other along the log."""
        log = self._cluster.logs[partition]
        places = [seen.committed, seen.head_offset, seen.position, seen.log_end, log.end]
        known: list[Any] = [place for place in places if place is not None]
        if known != sorted(known):
            self._violate(instance, partition, seen, f"the log ends at {log.end}")
        if (seen.committed or 0) > (stored := self._checker.committed.offset(partition)):
            self._violate(instance, partition, seen, f"{stored} is stored")

    def _violate(self, instance: Instance, partition: TopicPartition, seen: PartitionProgress, but: str) -> None:
        self._checker.violate(f"{instance.name} tells of {partition} {seen}, but {but}")
