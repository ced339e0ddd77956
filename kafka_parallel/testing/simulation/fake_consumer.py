"""A ``KafkaConsumer`` of the fake cluster, with the habits of kafka-python 2.x or 3.x."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import CommitFailedError, RebalanceInProgressError

from kafka_parallel.testing.simulation.fake_cluster import FakeCluster

CONFIG: dict[str, Any] = {
    "group_id": None,
    "max_poll_records": 500,
    "auto_commit_interval_ms": 5000,
    "auto_offset_reset": "latest",
    "consumer_timeout_ms": float("inf"),
    "max_poll_interval_ms": 300_000,
    "enable_auto_commit": True,
}


class FakeConsumer:
    """Reads the fake cluster.

    :param name: what the group calls this member.
    :param sleep: how to wait, in seconds.
    :param keeps_position: whether a partition that an eager rebalance gives back keeps its position and its pause
        (3.x) or forgets both (2.x).
    :param is_cooperative: whether a rebalance takes away only what moves.
    :param fault: called before each act with its name; may raise.
    """

    def __init__(
        self,
        cluster: FakeCluster,
        *topics: str,
        name: str,
        sleep: Callable[[float], None],
        keeps_position: bool,
        is_cooperative: bool = False,
        fault: Callable[[str], None] = lambda _: None,
        **config: Any,
    ) -> None:
        self.config = {**CONFIG, **config}
        self._cluster = cluster
        self._topics = set(topics)
        self._name = name
        self._sleep = sleep
        self._keeps_position = keeps_position
        self._is_cooperative = is_cooperative
        self._fault = fault
        self._closed = False
        self._generation = -1
        self._coordinator = SimpleNamespace(config=self.config, rejoining=False, rejoin_needed=True)
        self._fetcher = SimpleNamespace(config={})
        self._subscription = SimpleNamespace(rebalance_listener=None, subscribed_pattern=None, assignment={})

    @property
    def _states(self) -> dict[TopicPartition, Any]:
        states: dict[TopicPartition, Any] = self._subscription.assignment
        return states

    # Acts of kafka-python

    def poll(self, timeout_ms: int = 0, max_records: int = 500) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Take part in rebalances, then fetch."""
        self._fault("poll")
        if self._take_part():
            found = self._fetch(max_records)
            if found or timeout_ms == 0:
                return found
        self._sleep(timeout_ms / 1000)
        return self._fetch(max_records) if self._is_up_to_date() else {}

    def commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata], timeout_ms: float | None = None) -> None:
        """Commit."""
        self._fault("commit")
        self._sleep(0.005)
        if self._coordinator.rejoining:  # the client knows, and does not even ask
            raise RebalanceInProgressError
        try:
            self._cluster.commit(self.config["group_id"], self._name, self._generation, offsets)
        except CommitFailedError as error:
            if not error.args or not isinstance(error.args[0], RebalanceInProgressError):
                self._generation = -1  # the client forgets its membership and joins anew
            raise
        self._fault("committed")

    def assignment(self) -> set[TopicPartition]:
        """The partitions it has."""
        return set(self._states)

    def subscription(self) -> set[str]:
        """The topics it asked for."""
        return set(self._topics)

    def paused(self) -> set[TopicPartition]:
        """The partitions that are not fetched."""
        return {partition for partition, state in self._states.items() if state.paused}

    def pause(self, *partitions: TopicPartition) -> None:
        """Stop fetching."""
        for partition in partitions:
            self._states[partition].paused = True

    def resume(self, *partitions: TopicPartition) -> None:
        """Fetch again."""
        for partition in partitions:
            self._states[partition].paused = False

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on at *offset*."""
        state = self._states[partition]
        state.position, state.has_valid_position = offset, True

    def close(self, autocommit: bool = True, timeout_ms: float | None = None) -> None:  # noqa: FBT001, FBT002 - theirs
        """Leave the group."""
        if not self._closed:
            self._closed = True
            self._cluster.leave(self.config["group_id"], self._name)

    # Inside

    def _is_up_to_date(self) -> bool:
        group = self._cluster.group(self.config["group_id"])
        return self._name in group.members and group.is_stable and group.generation == self._generation

    def _take_part(self) -> bool:
        """Heartbeat, and do what a rebalance asks; true if the member may fetch."""
        group_id = self.config["group_id"]
        self._cluster.heartbeat(group_id, self._name)
        group = self._cluster.group(group_id)
        if self._is_up_to_date():
            return True
        if self._name not in group.members or self._generation == -1:
            self._lose(set(self._states))
            self._cluster.gave_up(group_id, self._name, set())
        elif self._name not in group.joined and not self._is_cooperative:
            self._tell("on_partitions_revoked", set(self._states))
            self._cluster.gave_up(group_id, self._name, set())
            if not self._keeps_position:
                self._states.clear()
        self._cluster.join(group_id, self._name)
        self._coordinator.rejoining = not group.is_stable
        if not group.is_stable:
            return False
        self._generation = group.generation
        self._take(set(group.members[self._name]))
        return True

    def _lose(self, partitions: set[TopicPartition]) -> None:
        if partitions:
            self._tell("on_partitions_revoked" if not self._keeps_position else "on_partitions_lost", partitions)
        self._states.clear()

    def _take(self, partitions: set[TopicPartition]) -> None:
        """Begin the generation with *partitions*."""
        before = set(self._states)
        for partition in before - partitions:
            del self._states[partition]
        if self._is_cooperative and before - partitions:
            self._tell("on_partitions_revoked", before - partitions)
        self._cluster.gave_up(self.config["group_id"], self._name, partitions)
        for partition in sorted(partitions - set(self._states)):
            self._states[partition] = SimpleNamespace(paused=False, position=None, has_valid_position=False)
        self._tell("on_partitions_assigned", partitions - before if self._is_cooperative else partitions)

    def _tell(self, what: str, partitions: set[TopicPartition]) -> None:
        listener = self._subscription.rebalance_listener
        method = getattr(listener, what, None) or listener.on_partitions_revoked
        method(partitions)

    def _fetch(self, max_records: int) -> dict[TopicPartition, list[ConsumerRecord]]:
        found: dict[TopicPartition, list[ConsumerRecord]] = {}
        for partition, state in self._states.items():
            if state.paused or max_records <= 0:
                continue
            if not state.has_valid_position:
                committed = self._cluster.group(self.config["group_id"]).committed.get(partition)
                state.position, state.has_valid_position = committed.offset if committed else 0, True
            new = [record for record in self._cluster.logs[partition] if record.offset >= state.position][:max_records]
            if new:
                found[partition] = new
                state.position = new[-1].offset + 1
                max_records -= len(new)
        return found
