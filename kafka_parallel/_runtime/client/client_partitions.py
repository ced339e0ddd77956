"""The client's partitions, as any thread may look at them.

kafka-python keeps one object per partition, and replaces it at an assignment. Its attributes are set by single
statements and read here by single ones, so no lock is needed. The consumer's own methods are not used for it:
``position()`` asks the cluster while it does not know, and waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kafka import TopicPartition


class ClientPartitions:
    """The partitions of one consumer.

    :param consumer: the user's consumer, taken over or not.
    """

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer

    def highwaters(self) -> dict[TopicPartition, int]:
        """The end of each log of which a fetch has told: the high watermark."""
        found = {partition: getattr(state, "highwater", None) for partition, state in self._states().items()}
        return {partition: highwater for partition, highwater in found.items() if highwater is not None}

    def paused_by_user(self) -> set[TopicPartition]:
        """The partitions that the user has paused."""
        return set(self._consumer.paused())

    def _states(self) -> Mapping[TopicPartition, Any]:
        subscription = getattr(self._consumer, "_subscription", None)
        return dict(getattr(subscription, "assignment", {}))  # a thread of the client may change it meanwhile
