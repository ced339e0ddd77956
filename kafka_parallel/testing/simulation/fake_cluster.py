"""A Kafka cluster in memory: logs with gaps, consumer groups with generations, committed offsets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import CommitFailedError, RebalanceInProgressError


@dataclass
class Group:
    """A consumer group.

    :ivar generation: counts rebalances.
    :ivar members: who belongs to it, with the partitions given to each.
    :ivar owned: the partitions each member has not given up yet.
    :ivar joined: who has agreed to the current generation.
    :ivar deadlines: until when a member that says nothing stays one.
    :ivar committed: what was committed.
    """

    generation: int = 0
    members: dict[str, list[TopicPartition]] = field(default_factory=dict)
    owned: dict[str, set[TopicPartition]] = field(default_factory=dict)
    joined: set[str] = field(default_factory=set)
    deadlines: dict[str, float] = field(default_factory=dict)
    committed: dict[TopicPartition, OffsetAndMetadata] = field(default_factory=dict)
    is_stable: bool = False


class FakeCluster:
    """One broker that is leader and coordinator of everything.

    :param now: the time in seconds.
    :param session_timeout: seconds after which a member that says nothing is thrown out.
    """

    def __init__(self, now: Callable[[], float], session_timeout: float = 10.0) -> None:
        self._now = now
        self.session_timeout = session_timeout
        self.logs: dict[TopicPartition, list[ConsumerRecord]] = {}
        self.groups: dict[str, Group] = {}
        self.on_commit: Callable[[str, Mapping[TopicPartition, OffsetAndMetadata]], None] = lambda *_: None

    def create_topic(self, topic: str, partitions: int) -> None:
        """Create *topic*."""
        self.logs.update({TopicPartition(topic, number): [] for number in range(partitions)})

    def append(self, partition: TopicPartition, key: bytes | None, value: bytes, gap: int = 0) -> ConsumerRecord:
        """Append a record, leaving out *gap* offsets before it (compaction, transaction markers)."""
        log = self.logs[partition]
        offset = (log[-1].offset + 1 if log else 0) + gap
        sizes = (-1 if key is None else len(key), len(value), -1)
        fields: tuple[Any, ...] = (partition.topic, partition.partition, 0, offset, 0, 0, key, value, [], None)
        log.append(ConsumerRecord(*fields, *sizes))
        return log[-1]

    def end(self, partition: TopicPartition) -> int:
        """One past the last offset."""
        return self.logs[partition][-1].offset + 1 if self.logs[partition] else 0

    def group(self, group_id: str) -> Group:
        """The group, made when first asked for."""
        return self.groups.setdefault(group_id, Group())

    # Membership

    def heartbeat(self, group_id: str, member: str) -> None:
        """Note that *member* lives, and throw out those who do not."""
        group = self.group(group_id)
        if member in group.members:
            group.deadlines[member] = self._now() + self.session_timeout
        for other in [other for other, deadline in group.deadlines.items() if deadline < self._now()]:
            self.leave(group_id, other)

    def join(self, group_id: str, member: str) -> None:
        """Let *member* take part in the next generation."""
        group = self.group(group_id)
        if member not in group.members:
            group.members[member] = []
            self._rebalance(group)
        group.joined.add(member)
        self.heartbeat(group_id, member)
        if not group.is_stable and group.joined >= set(group.members):
            self._assign(group)

    def leave(self, group_id: str, member: str) -> None:
        """Take *member* out."""
        group = self.group(group_id)
        group.owned.pop(member, None)
        if group.members.pop(member, None) is not None:
            group.joined.discard(member)
            group.deadlines.pop(member, None)
            self._rebalance(group)

    def gave_up(self, group_id: str, member: str, keeps: set[TopicPartition]) -> None:
        """Note that *member* has only the partitions it *keeps*; the others go to their new owners in a next round."""
        group = self.group(group_id)
        gone = group.owned.get(member, set()) - keeps
        group.owned[member] = keeps
        if gone and group.is_stable:
            self._rebalance(group)

    def rebalance(self, group_id: str) -> None:
        """Begin a rebalance for no reason."""
        self._rebalance(self.group(group_id))

    @staticmethod
    def _rebalance(group: Group) -> None:
        group.joined.clear()
        group.is_stable = False

    def _assign(self, group: Group) -> None:
        """Share the partitions out; a member keeps those it has as far as that is fair (sticky)."""
        members, partitions = sorted(group.members), sorted(self.logs)
        fair = -(-len(partitions) // len(members))
        for member in members:
            group.members[member] = group.members[member][:fair]
        taken = {partition for assigned in group.members.values() for partition in assigned}
        for partition in (partition for partition in partitions if partition not in taken):
            group.members[min(members, key=lambda member: len(group.members[member]))].append(partition)
        for member in members:  # nobody gets what another one has not given up yet (KIP-429)
            others = {p for other, owned in group.owned.items() if other != member for p in owned}
            group.members[member] = [p for p in group.members[member] if p not in others]
        group.generation += 1
        group.is_stable = True

    # Commits

    def commit(
        self, group_id: str, member: str, generation: int, offsets: Mapping[TopicPartition, OffsetAndMetadata]
    ) -> None:
        """Store *offsets*, if *member* is one and up to date.

        :raises CommitFailedError: if it was thrown out, its generation is over, or it has to wait for the others.
        """
        group = self.group(group_id)
        if member not in group.members or generation != group.generation:
            raise CommitFailedError("the member was thrown out, or a rebalance went on without it")
        if member in group.joined and not group.is_stable:
            raise CommitFailedError(RebalanceInProgressError())  # as kafka-python words it
        self._store(group_id, offsets)

    def _store(self, group_id: str, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        self.on_commit(group_id, offsets)
        self.group(group_id).committed.update(offsets)
