"""The client's partitions, as any thread may look at them.

kafka-python keeps one object per partition, and replaces it at an assignment. Its attributes are set by single
statements and read here by single ones, so no lock is needed. The consumer's own methods are not used for it:
``position()`` asks the cluster while it does not know, and waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kafka.errors import KafkaError

from kafka_parallel._core.log_ends import FetchedEnd
from kafka_parallel._runtime.client.end_offsets import Answered, ask_for_ends
from kafka_parallel._runtime.client.user_seeks import UserSeeks

if TYPE_CHECKING:
    from kafka import TopicPartition


class ClientPartitions:
    """The partitions of one consumer.

    :param consumer: the user's consumer, taken over or not.
    :ivar user_seeks: the jumps of the user.
    """

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self.user_seeks = UserSeeks()

    def fetched_ends(self) -> dict[TopicPartition, FetchedEnd]:
        """The end of each log as the last fetch told it: the high watermark."""
        return {partition: _fetched_end(state) for partition, state in dict(self.states).items()}

    def lacks(self, topic: str) -> bool:
        """Tell whether the cluster has no *topic* that the user of the connection may see; false if it does not answer.

        :param topic: its name; it is not created by the question.
        """
        try:
            return topic not in self._consumer.topics()
        except KafkaError:
            return False

    def ask_for_ends(self, partitions: Iterable[TopicPartition], answered: Answered) -> None:
        """Ask the cluster where the logs of *partitions* end, without waiting; only for the thread that polls."""
        ask_for_ends(self._consumer, partitions, answered)

    def paused_by_user(self) -> set[TopicPartition]:
        """The partitions that the user has paused."""
        return set(self._consumer.paused())

    def positions(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The positions in those of *partitions* of which the client knows; nothing is asked of a broker.

        Each position is read once, and a reset replaces it whole.
        """
        states = self.states
        found = {partition: getattr(states.get(partition), "position", None) for partition in partitions}
        return {partition: position.offset for partition, position in found.items() if position is not None}

    @property
    def states(self) -> Mapping[TopicPartition, Any]:
        """The client's own objects, one for each partition; a thread of the client may change the mapping meanwhile."""
        found: Mapping[TopicPartition, Any] = getattr(getattr(self._consumer, "_subscription", None), "assignment", {})
        return found


def _fetched_end(state: Any) -> FetchedEnd:
    highwater, position = getattr(state, "highwater", None), getattr(state, "position", None)
    is_at_end = highwater is not None and position is not None and position.offset >= highwater
    return FetchedEnd(highwater, is_at_end and not state.paused)
