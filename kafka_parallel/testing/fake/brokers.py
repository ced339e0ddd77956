"""The brokers of a fake cluster, and which of them cannot be reached; stands also for ``consumer._client.cluster``."""

from __future__ import annotations

from typing import NamedTuple

from kafka import TopicPartition

__all__ = ()


class Broker(NamedTuple):
    """One broker, with the name that kafka-python 3.x gives its number."""

    node_id: int


class Brokers:
    """One broker, number 0, that leads all partitions, unless a test says otherwise.

    :ivar leaders: the partitions that another one leads.
    :ivar unreachable: the numbers of brokers that answer nothing: nothing of their partitions is fetched, as if there
        were no records.
    :ivar frozen: the numbers of brokers that stay connected and answer nothing, each with the time of the cluster's
        clock since when a request waits.
    """

    def __init__(self) -> None:
        self.leaders: dict[TopicPartition, int] = {}
        self.unreachable: set[int] = set()
        self.frozen: dict[int, float] = {}

    def brokers(self) -> list[Broker]:
        """All brokers."""
        return [Broker(number) for number in sorted({0, *self.leaders.values()})]

    def leader_for_partition(self, partition: TopicPartition) -> int:
        """The number of the broker that has *partition*."""
        return self.leaders.get(partition, 0)

    def can_fetch(self, partition: TopicPartition) -> bool:
        """Tell whether the leader of *partition* answers."""
        return self.leader_for_partition(partition) not in self.unreachable | self.frozen.keys()

    def broker_metadata(self, node_id: int) -> None:
        """The host of a broker: a fake one has none."""
