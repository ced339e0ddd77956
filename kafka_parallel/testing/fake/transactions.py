"""The transactions of a fake cluster: who may write in one, what belongs to it, and how it ends.

The rules are those of Kafka: a producer that starts with the transactional id of another fences that off and ends its
transaction; one that takes longer than it said is aborted, and its producer fenced; offsets are accepted from a member
of the group's generation alone (KIP-447).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import ProducerFencedError

if TYPE_CHECKING:
    from kafka_parallel.testing.fake.log import PartitionLog

__all__ = ()


@dataclass
class Transaction:
    """One transactional id.

    :ivar epoch: counts its producers.
    :ivar ends_at: when the transaction that is open is aborted; ``None`` if none is.
    :ivar partitions: those it has written to.
    :ivar offsets: by group.
    """

    epoch: int = 0
    ends_at: float | None = None
    partitions: set[TopicPartition] = field(default_factory=set)
    offsets: dict[str, dict[TopicPartition, OffsetAndMetadata]] = field(default_factory=dict)


class Transactions:
    """The transaction coordinator of a cluster. It is called with the cluster's lock held.

    :param log: finds a log.
    :param commit: stores the offsets of a group.
    """

    def __init__(
        self,
        log: Callable[[TopicPartition], PartitionLog],
        commit: Callable[[str, Mapping[TopicPartition, OffsetAndMetadata]], None],
    ) -> None:
        self._log = log
        self._commit = commit
        self._by_id: dict[str, Transaction] = {}

    def start(self, name: str) -> int:
        """Let a new producer have *name*; return its epoch."""
        found = self._by_id.setdefault(name, Transaction())
        self._end(name, found, commits=False)
        found.epoch += 1
        return found.epoch

    def expire(self, now: float) -> None:
        """Abort the transactions whose time is over."""
        for name, found in self._by_id.items():
            if found.ends_at is not None and found.ends_at <= now:
                self._end(name, found, commits=False)
                found.epoch += 1

    def write_to(self, name: str, epoch: int, partition: TopicPartition, ends_at: float) -> str:
        """Make *partition* part of the transaction; return the name that its records know it by."""
        found = self._current(name, epoch)
        if partition not in found.partitions:
            self._log(partition).begin_transaction(name)
            found.partitions.add(partition)
        found.ends_at = ends_at if found.ends_at is None else found.ends_at
        return name

    def add_offsets(
        self, name: str, epoch: int, group_id: str, offsets: Mapping[TopicPartition, OffsetAndMetadata], ends_at: float
    ) -> None:
        """Make *offsets* part of the transaction."""
        found = self._current(name, epoch)
        found.offsets.setdefault(group_id, {}).update(offsets)
        found.ends_at = ends_at if found.ends_at is None else found.ends_at

    def end(self, name: str, epoch: int, *, commits: bool) -> None:
        """End the transaction.

        :raises ProducerFencedError: it is not that producer's any more.
        """
        self._end(name, self._current(name, epoch), commits=commits)

    def has_open_offsets(self, group_id: str, partition: TopicPartition) -> bool:
        """Tell whether a transaction is open that would change the committed offset of *partition*."""
        return any(partition in found.offsets.get(group_id, ()) for found in self._by_id.values())

    def _current(self, name: str, epoch: int) -> Transaction:
        found = self._by_id[name]
        if found.epoch != epoch:
            raise ProducerFencedError(f"a newer producer has the transactional id {name!r}, or its time was over")
        return found

    def _end(self, name: str, found: Transaction, *, commits: bool) -> None:
        partitions, offsets = found.partitions, found.offsets
        found.partitions, found.offsets, found.ends_at = set(), {}, None
        for partition in sorted(partitions):
            self._log(partition).end_transaction(name, commits=commits)
        for group_id, of_group in offsets.items():
            if commits:
                self._commit(group_id, of_group)


def member_of(group_metadata: Any) -> tuple[str, int] | None:
    """The member, its name and generation, that *group_metadata* is of; ``None`` if that tells only a group."""
    generation = getattr(group_metadata, "generation_id", -1)
    return None if generation < 0 else (group_metadata.member_id.rpartition("-")[0], generation)
