"""The arguments that kafka-python refuses before it asks a broker, and with which errors: 2.x asserts where 3.x raises.

The checks of one call come in the client's order: the first that fails is the one that is told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from operator import attrgetter
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition
from kafka.consumer.subscription_state import SubscriptionState
from kafka.errors import IllegalStateError

__all__ = ()

ONE_WAY = (
    "You must choose only one way to configure your consumer: (1) subscribe to specific topics by name, (2) subscribe "
    "to topics matching a regex pattern, (3) assign itself specific topic-partitions."
)


class Arguments:
    """Checks of a fake consumer's arguments, with the errors of one version.

    :param is_3: whether errors are those of 3.x.
    """

    def __init__(self, *, is_3: bool) -> None:
        self._is_3 = is_3

    def require(self, holds: bool, otherwise: str, error: type[Exception] = IllegalStateError) -> None:
        """Raise this version's error for wrong use: *error* in 3.x."""
        if not holds:
            raise error(otherwise) if self._is_3 else AssertionError(otherwise)

    # Partitions

    @staticmethod
    def require_partition(partition: Any) -> None:
        """Refuse what is no partition, also a tuple that equals one."""
        if not isinstance(partition, TopicPartition):
            raise TypeError("partition must be a TopicPartition namedtuple")

    @staticmethod
    def require_partitions(partitions: Iterable[Any]) -> None:
        """Refuse the same among several."""
        if not all(isinstance(partition, TopicPartition) for partition in partitions):
            raise TypeError("partitions must be TopicPartition namedtuples")

    @staticmethod
    def require_topics(partitions: Iterable[Any]) -> None:
        """Fail at one without a topic, as the client does: it asks about them all."""
        list(map(attrgetter("topic"), partitions))

    def require_target(self, partition: Any, offset: Any, assigned: Collection[TopicPartition]) -> None:
        """Refuse a jump to *offset*: it is none, or the partition is not among the *assigned* ones."""
        self.require_partition(partition)
        self.require(isinstance(offset, int) and offset >= 0, "Offset must be int >= 0", ValueError)
        self.require(partition in assigned, "Unassigned partition", ValueError)

    def require_some(self, partitions: Collection[Any], assigned: Collection[TopicPartition]) -> None:
        """Refuse a jump in *partitions* (all without any): none is assigned, or one of them is not."""
        self.require_partitions(partitions)
        self.require(bool(partitions or assigned), "No partitions are currently assigned", ValueError)
        for partition in partitions:
            self.require(partition in assigned, f"Unassigned partition: {partition}", ValueError)

    # Topics

    def require_subscription(self, topics: Any, pattern: str | None, listener: Any) -> None:
        """Refuse a subscription as the installed kafka-python does: the checks are its own."""
        self.require(bool(topics or pattern), "Must provide topics or pattern", ValueError)
        SubscriptionState("earliest").subscribe(topics=topics, pattern=pattern, listener=listener)

    @staticmethod
    def require_one_way(holds: bool) -> None:
        """Refuse a second way to get partitions."""
        if not holds:
            raise IllegalStateError(ONE_WAY)

    # Numbers and offsets

    def require_poll(self, timeout_ms: float, max_records: Any) -> None:
        """Refuse a poll that cannot wait, or that may return nothing."""
        self.require(timeout_ms >= 0, "Timeout must not be negative", ValueError)
        self.require(isinstance(max_records, int), "max_records must be an integer", TypeError)
        self.require(max_records > 0, "max_records must be positive", ValueError)

    def require_offsets(self, offsets: Mapping[Any, Any]) -> None:
        """Refuse to commit what is no mapping of partitions to offsets."""
        partitions_only = all(isinstance(partition, TopicPartition) for partition in offsets)
        offsets_only = partitions_only and all(isinstance(offset, OffsetAndMetadata) for offset in offsets.values())
        self.require(offsets_only, "offsets must be dict[TopicPartition, OffsetAndMetadata]", TypeError)
