"""A consumer's partitions and positions: the part of the fake that kafka-python keeps in ``_subscription``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError

from kafka_parallel.testing.fake.log import Isolation, PartitionLog

__all__ = ()


class PartitionState:
    """One assigned partition, with the names kafka-python uses.

    :ivar paused: whether the user paused it.
    :ivar highwater: the end of its log when it was fetched last; ``None`` before that.
    """

    def __init__(self) -> None:
        self.paused = False
        self.highwater: int | None = None
        self._position: OffsetAndMetadata | None = None

    @property
    def position(self) -> OffsetAndMetadata | None:
        """The offset to fetch next, in kafka-python's shape; ``None`` while it is not known."""
        return self._position

    @position.setter
    def position(self, position: OffsetAndMetadata) -> None:
        self._position = position

    @property
    def has_valid_position(self) -> bool:
        """Tell whether the position is known."""
        return self._position is not None

    def is_fetchable(self) -> bool:
        """Tell whether records of it may be handed out."""
        return not self.paused and self.has_valid_position

    def seek(self, offset: int) -> None:
        """Go on at *offset*."""
        self._position = OffsetAndMetadata(offset, "", -1)


class Subscription:
    """Topics, a pattern, or partitions chosen by hand; never two of them.

    :ivar rebalance_listener: the user's, or its replacement.
    :ivar subscribed_pattern: the compiled pattern, if there is one.
    :ivar assignment: the partitions it has now.
    """

    def __init__(self, topics: Iterable[str]) -> None:
        self.topics: set[str] = set(topics)
        self.rebalance_listener: Any = None
        self.subscribed_pattern: re.Pattern[str] | None = None
        self.assignment: dict[TopicPartition, PartitionState] = {}

    @property
    def is_by_group(self) -> bool:
        """Tell whether a group assigns the partitions."""
        return bool(self.topics or self.subscribed_pattern)

    def has_kind(self, by_pattern: bool) -> bool:
        """Tell whether it may become one *by_pattern* or else by topics: it is one, or nothing yet."""
        if not self.is_by_group:
            return not self.assignment
        return by_pattern == (self.subscribed_pattern is not None)

    def wants(self, topic: str) -> bool:
        """Tell whether *topic* is subscribed to."""
        if self.subscribed_pattern is not None:
            return self.subscribed_pattern.match(topic) is not None
        return topic in self.topics

    def subscribe(self, topics: Iterable[str], pattern: str | None, listener: Any) -> None:
        """Subscribe to *topics* or to a *pattern*."""
        self.topics = {topics} if isinstance(topics, str) else set(topics)
        self.subscribed_pattern = re.compile(pattern) if pattern else None
        self.rebalance_listener = listener

    def unsubscribe(self) -> None:
        """Read nothing."""
        self.topics, self.subscribed_pattern, self.rebalance_listener = set(), None, None
        self.assignment = {}

    def all_consumed_offsets(self) -> dict[TopicPartition, OffsetAndMetadata]:
        """The positions, as they are committed."""
        return {partition: state.position for partition, state in self.assignment.items() if state.position is not None}

    def change_subscription(self, topics: Iterable[str]) -> None:
        """Subscribe to other *topics*; the listener stays."""
        self.topics = set(topics)

    def is_fetchable(self, partition: TopicPartition) -> bool:
        """Tell whether records of *partition* may be handed out."""
        return partition in self.assignment and self.assignment[partition].is_fetchable()

    def choose(self, partitions: Iterable[TopicPartition]) -> None:
        """Assign *partitions* by hand; those it had keep their state."""
        self.assignment = {partition: self.assignment.get(partition, PartitionState()) for partition in partitions}


def find_position(
    log: PartitionLog, partition: TopicPartition, offset: int | None, reset: str, isolation: Isolation
) -> int:
    """Return where to go on: at *offset* if it can be read, else where the *reset* policy says.

    :raises NoOffsetForPartitionError: there is no offset, and the policy is "none".
    :raises OffsetOutOfRangeError: the offset does not exist (any more), and the policy is "none".
    """
    if offset is not None and log.start <= offset <= log.end:
        return offset
    if reset == "none":
        raise NoOffsetForPartitionError({partition}) if offset is None else OffsetOutOfRangeError({partition: offset})
    return log.start if reset == "earliest" else log.readable_end(isolation)
