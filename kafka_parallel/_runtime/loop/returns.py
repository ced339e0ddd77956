"""Tells which partitions come back that no other member can have had since they were given up.

In an eager group all partitions are given up for each rebalance, and most come back in the next generation. The members
of that are all that may commit by then, and only their new owner does: our own last commit still stands. So nothing has
to be asked about it, if

- the partition was held under one generation, and comes back under the next one, to the same member: another generation
  in between may have given it to another member;
- less than a session has passed: the generation may be over for a member that was frozen since, and removed.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from kafka import TopicPartition

    from kafka_parallel._runtime.client.consumer_adapter import Client
    from kafka_parallel._runtime.client.membership import GroupGeneration
    from kafka_parallel._runtime.clock import Clock


class GivenUp(NamedTuple):
    """The generation under which a partition was held, and when it was given up, in seconds of the monotonic clock."""

    generation: GroupGeneration
    at: float


# see docs/decisions/0105-partitions-that-come-straight-back.md
class Returns:
    """Remembers partitions from their end to their return; used by rebalance callbacks.

    :param session_timeout: seconds without a heartbeat after which the group gives up a member.
    """

    def __init__(self, client: Client, clock: Clock, session_timeout: float) -> None:
        self._client = client
        self._clock = clock
        self._session_timeout = session_timeout
        self._given_up: dict[TopicPartition, GivenUp] = {}

    def give_up(self, partitions: Collection[TopicPartition]) -> None:
        """Note that *partitions* leave in good order, while the client still shows them as its own."""
        generation = self._generation()
        if generation is not None:
            held, now = self._client.assignment(), self._clock.monotonic()
            self._given_up.update((partition, GivenUp(generation, now)) for partition in held.intersection(partitions))

    def come(self, partitions: Collection[TopicPartition]) -> frozenset[TopicPartition]:
        """Note that *partitions* come; return those of them that another member may have had."""
        generation, now = self._generation(), self._clock.monotonic()
        before = {partition: self._given_up.pop(partition, None) for partition in partitions}
        return frozenset(
            partition
            for partition, left in before.items()
            if left is None
            or generation is None
            or not generation.follows(left.generation)
            or now - left.at >= self._session_timeout
        )

    def _generation(self) -> GroupGeneration | None:
        membership = self._client.membership
        return None if membership is None else membership.eager_generation
