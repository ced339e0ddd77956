"""The members of a consumer group, their partitions, and the commits that are accepted.

The rules are those of Kafka's classic protocol: a rebalance ends when every member has joined; a member gets nothing
that another one has not given up yet (KIP-429); a static member that comes back takes its old place without a
rebalance (KIP-345).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import CommitFailedError, FencedInstanceIdError, RebalanceInProgressError

__all__ = ()


@dataclass
class Member:
    """One member.

    :ivar wants: tells whether it subscribed to a topic.
    :ivar instance_id: its ``group.instance.id`` if it is static.
    :ivar deadline: until when it stays a member if it says nothing.
    :ivar assigned: the partitions of the current generation.
    :ivar owned: the partitions it has not given up yet.
    :ivar has_joined: whether it agreed to the current or coming generation.
    """

    wants: Callable[[str], bool]
    instance_id: str | None
    deadline: float
    assigned: list[TopicPartition] = field(default_factory=list)
    owned: set[TopicPartition] = field(default_factory=set)
    has_joined: bool = False


class Group:
    """A consumer group and its coordinator.

    :ivar generation: counts rebalances.
    :ivar committed: the committed offsets.
    :ivar is_stable: false while a rebalance waits for members to join.
    """

    def __init__(self) -> None:
        self.generation: int = 0
        self.members: dict[str, Member] = {}
        self.committed: dict[TopicPartition, OffsetAndMetadata] = {}
        self.is_stable: bool = False
        self._fenced: set[str] = set()

    # Membership

    def keep(self, name: str, until: float, now: float) -> None:
        """Let the member *name* stay until *until*; remove those whose time is over."""
        if (member := self.members.get(name)) is not None:
            member.deadline = until
        self.expire(now)

    def expire(self, now: float) -> None:
        """Remove members whose time is over."""
        for other in [other for other, member in self.members.items() if member.deadline < now]:
            self.leave(other)

    def join(self, name: str, wants: Callable[[str], bool], instance_id: str | None, until: float) -> bool:
        """Let *name* take part in the next generation; tell whether it was no member.

        :raises FencedInstanceIdError: a younger member has its instance id.
        """
        if name in self._fenced:
            raise FencedInstanceIdError(f"instance id of {name} is used by a newer member")
        is_new = name not in self.members
        if is_new and not self._take_place(name, instance_id):
            self.members[name] = Member(wants, instance_id, until)
            self.rebalance()
        member = self.members[name]
        member.wants, member.deadline, member.has_joined = wants, until, True
        return is_new

    def is_complete(self) -> bool:
        """Tell whether a rebalance could end: every member has joined."""
        return not self.is_stable and all(member.has_joined for member in self.members.values())

    def _take_place(self, name: str, instance_id: str | None) -> bool:
        """Let a static member that comes back have the place of its former self."""
        if instance_id is None:
            return False
        for other, member in self.members.items():
            if member.instance_id == instance_id:
                self._fenced.add(other)
                self.members = {name if key == other else key: value for key, value in self.members.items()}
                return True
        return False

    def leave(self, name: str) -> None:
        """Take *name* out."""
        if self.members.pop(name, None) is not None:
            self.rebalance()

    def gave_up(self, name: str, keeps: set[TopicPartition]) -> None:
        """Note that *name* has only the partitions it *keeps*; the others go to new owners in a next round."""
        if (member := self.members.get(name)) is None:
            return
        gone, member.owned = member.owned - keeps, keeps
        if gone and self.is_stable:
            self.rebalance()

    def rebalance(self) -> None:
        """Ask all members to join again."""
        self.is_stable = False
        for member in self.members.values():
            member.has_joined = False

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """End the rebalance: share *partitions* out. A member keeps its partitions as far as that is fair."""
        wanted = [one for one in sorted(partitions) if any(member.wants(one.topic) for member in self.members.values())]
        free = self._keep_fair_shares(wanted)
        for partition in free:
            takers = [member for member in self.members.values() if member.wants(partition.topic)]
            if takers:
                min(takers, key=lambda member: len(member.assigned)).assigned.append(partition)
        for name, member in self.members.items():
            others = {p for other, its in self.members.items() if other != name for p in its.owned}
            member.assigned = [partition for partition in member.assigned if partition not in others]
        self.generation += 1
        self.is_stable = True

    def _keep_fair_shares(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Let members keep their fair shares; return the rest."""
        self.members = dict(sorted(self.members.items()))
        fair, left = -(-len(partitions) // max(1, len(self.members))), dict.fromkeys(partitions)
        for member in self.members.values():
            member.assigned = [p for p in member.assigned if p in left and member.wants(p.topic)][:fair]
            for partition in member.assigned:
                del left[partition]
        return list(left)

    def is_current(self, name: str, generation: int) -> bool:
        """Tell whether *name* is a member of the generation that holds now."""
        return self.is_stable and generation == self.generation and name in self.members

    def has_member(self, name: str, generation: int) -> bool:
        """Tell whether offsets of a transaction are accepted from *name*: a rebalance that waits does not matter."""
        return name in self.members and name not in self._fenced and generation == self.generation

    def is_fenced(self, name: str) -> bool:
        """Tell whether a younger member has the instance id of *name*."""
        return name in self._fenced

    # Commits

    def require_member(self, name: str, generation: int) -> None:
        """Refuse a commit of an outdated member; a client that assigned by hand is not a member, and is free to commit.

        :raises FencedInstanceIdError: a younger member has its instance id.
        :raises CommitFailedError: it was removed, its generation is over, or it has to wait for the others.
        """
        if name in self._fenced:
            raise FencedInstanceIdError(f"instance id of {name} is used by a newer member")
        if name not in self.members or generation != self.generation:
            raise CommitFailedError("the member was removed, or a rebalance went on without it")
        if self.members[name].has_joined and not self.is_stable:
            raise CommitFailedError(RebalanceInProgressError())  # as kafka-python words it

    def commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """Store *offsets*."""
        self.committed.update(offsets)
