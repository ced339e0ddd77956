"""A Kafka cluster in memory: topics with gaps and retention, consumer groups, and errors on demand."""

from __future__ import annotations

import itertools
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, TypeAlias

from kafka import OffsetAndMetadata, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import (
    CommitFailedError,
    OffsetMetadataTooLargeError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)

from kafka_parallel.testing.fake.brokers import Brokers
from kafka_parallel.testing.fake.clock import ThreadClock, Timeline
from kafka_parallel.testing.fake.group import Group
from kafka_parallel.testing.fake.log import Headers, PartitionLog
from kafka_parallel.testing.fake.transactions import Transactions

__all__ = ["FakeCluster"]

# Kafka's default of offset.metadata.max.bytes.
MOST_METADATA = 4096

Moment: TypeAlias = Literal["before", "after"]

# The calls that ask a broker, and so may fail. Calls that only read cannot fail after they took effect.
READS = ("poll", "committed", "position", "beginning_offsets", "end_offsets", "topics", "partitions_for_topic",
         "partitions_for")  # fmt: skip
WRITES = ("commit", "commit_async", "send", "send_offsets_to_transaction", "commit_transaction", "abort_transaction")


class FakeCluster:
    """One broker that is leader and coordinator of everything. Every method may be called from any thread.

    :param clock: the time; the machine's by default, a `ManualClock` for tests of one thread.
    :ivar brokers: its brokers; a test may make some unreachable.
    :ivar on_call: called with the name of each call of a client that asks a broker and its moment, "before" or "after"
        it took effect; an error that it raises is the call's answer. `fail` is the simple way to use it, and names
        them.
    :ivar on_commit: called with each group and the offsets it is about to store.
    :ivar on_reset: called when the position of a consumer does not exist any more, with the partition and the offset
        where it goes on.
    """

    def __init__(self, clock: Timeline | None = None) -> None:
        self.clock: Timeline = clock or ThreadClock()
        self.logs: dict[TopicPartition, PartitionLog] = {}
        self.groups: dict[str, Group] = {}
        self.brokers: Brokers = Brokers()
        self.on_call: Callable[[str, Moment], None] = self._fail_if_due
        self.on_commit: Callable[[str, Mapping[TopicPartition, OffsetAndMetadata]], None] = lambda *_: None
        self.on_reset: Callable[[TopicPartition, int], None] = lambda *_: None
        self.transactions: Transactions = Transactions(self.log, self._store_offsets)
        self._failures: list[tuple[str, Moment, Exception]] = []
        self._members = itertools.count()
        self._lock = threading.RLock()

    # Topics

    def create_topic(self, topic: str, partitions: int = 1) -> None:
        """Create *topic*.

        :raises TopicAlreadyExistsError: it is there.
        """
        if self.partitions_of(topic):
            raise TopicAlreadyExistsError(f"topic {topic!r} exists")
        self.add_partitions(topic, partitions)

    def add_partitions(self, topic: str, total: int) -> None:
        """Raise the number of partitions of *topic* to *total*; its groups rebalance."""
        with self._lock:
            for number in range(len(self.partitions_of(topic)), total):
                partition = TopicPartition(topic, number)
                self.logs[partition] = PartitionLog(partition)
            self._rebalance_readers(topic)

    def delete_topic(self, topic: str) -> None:
        """Delete *topic* with its records, if it exists; groups that read it rebalance, committed offsets stay."""
        with self._lock:
            self.logs = {partition: log for partition, log in self.logs.items() if partition.topic != topic}
            self._rebalance_readers(topic)

    def _rebalance_readers(self, topic: str) -> None:
        for group in self.groups.values():
            if any(member.wants(topic) for member in group.members.values()):
                group.rebalance()

    def partitions_of(self, topic: str) -> list[int]:
        """The partitions of *topic*; none if it does not exist."""
        return sorted(partition.partition for partition in self.logs if partition.topic == topic)

    def topics(self) -> set[str]:
        """The names of the topics that have a partition."""
        return {partition.topic for partition in self.logs}

    def log(self, partition: TopicPartition) -> PartitionLog:
        """The log of *partition*.

        :raises UnknownTopicOrPartitionError: there is none.
        """
        if partition not in self.logs:
            raise UnknownTopicOrPartitionError(f"{partition.topic}[{partition.partition}] does not exist")
        return self.logs[partition]

    def append(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        *,
        partition: int | None = None,
        headers: Headers = (),
        gap: int = 0,
        timestamp_ms: int | None = None,
        transaction: str | None = None,
    ) -> ConsumerRecord:
        """Append a record and return it as a consumer will see it.

        :param partition: where to; by the key's hash if not given.
        :param gap: how many offsets before it hold no record (compaction, transaction markers).
        :param timestamp_ms: in milliseconds since the Unix epoch; now if not given.
        :param transaction: the transaction that it belongs to; none if not given.
        :raises UnknownTopicOrPartitionError: the partition does not exist.
        """
        with self._lock:
            number = self.partition_of(topic, key, partition)
            timestamp_ms = int(self.clock.wall() * 1000) if timestamp_ms is None else timestamp_ms
            return self.log(TopicPartition(topic, number)).append(key, value, headers, timestamp_ms, gap, transaction)

    def partition_of(self, topic: str, key: bytes | None, partition: int | None) -> int:
        """The number of the partition of *topic* for a record: *partition*, or else by the hash of its *key*."""
        count = len(self.partitions_of(topic))
        return zlib.crc32(key or b"") % max(1, count) if partition is None else partition

    # Groups

    def group(self, group_id: str) -> Group:
        """The group of *group_id*, with its members and committed offsets; an empty one is made if there is none."""
        found = self.groups.get(group_id)
        return found if found is not None else self.groups.setdefault(group_id, Group())

    def new_member(self, client_id: str) -> str:
        """Make a member id that begins with *client_id* and was never used in this cluster."""
        return f"{client_id}-{next(self._members)}"

    def join(
        self, group_id: str, name: str, wants: Callable[[str], bool], instance_id: str | None, until: float
    ) -> bool:
        """Let the member *name* take part in the next generation, and end the rebalance if it was the last.

        :returns: whether it is a new member.
        """
        with self._lock:
            group = self.group(group_id)
            is_new = group.join(name, wants, instance_id, until)
            group.expire(self.clock.monotonic())
            if group.is_complete():
                group.assign(self.logs)
            return is_new

    def keep(self, group_id: str, name: str, until: float) -> Group:
        """Let the member *name* stay until *until*; return the group."""
        with self._lock:
            group = self.group(group_id)
            group.keep(name, until, self.clock.monotonic())
            return group

    def vanish(self, name: str, session_timeout: float) -> None:
        """Let the process of the member *name* die or freeze: its heartbeats end."""
        with self._lock:
            for group in self.groups.values():
                if name in group.members:
                    group.members[name].deadline = self.clock.monotonic() + session_timeout

    def commit(
        self, group_id: str, member: tuple[str, int] | None, offsets: Mapping[TopicPartition, OffsetAndMetadata]
    ) -> None:
        """Store *offsets* for *member* (name and generation), or for a client that is not a member.

        :raises CommitFailedError: the member was removed, its generation is over, or it has to wait for the others.
        :raises FencedInstanceIdError: a younger member has its instance id.
        :raises OffsetMetadataTooLargeError: the text beside an offset is longer than the broker stores.
        """
        with self._lock:
            group = self.group(group_id)
            group.expire(self.clock.monotonic())
            if member is not None:
                group.require_member(*member)
            elif group.members:
                raise CommitFailedError(f"group {group_id!r} has members by subscription, who commit for themselves")
            _require_little_metadata(offsets)
            self._store_offsets(group_id, offsets)

    def _store_offsets(self, group_id: str, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        self.on_commit(group_id, offsets)
        self.group(group_id).commit(offsets)

    def committed(self, group_id: str, partition: TopicPartition) -> OffsetAndMetadata | None:
        """The offset that *group_id* has committed for *partition*."""
        return self.group(group_id).committed.get(partition)

    # Transactions

    @contextmanager
    def in_transaction(self) -> Iterator[Transactions]:
        """Let one act of a transaction be made at a time; those whose time is over have ended by then."""
        with self._lock:
            self.transactions.expire(self.clock.monotonic())
            yield self.transactions

    def end_late_transactions(self) -> None:
        """Abort the transactions whose time is over, as the coordinator does by itself."""
        with self.in_transaction():
            pass

    def require_member(self, group_id: str, member: tuple[str, int] | None) -> None:
        """Refuse the offsets of a transaction that come from an outdated member; ``None`` is not a member at all.

        :raises CommitFailedError: it is outdated.
        """
        with self._lock:
            group = self.group(group_id)
            group.expire(self.clock.monotonic())
            if member is not None and not group.has_member(*member):
                raise CommitFailedError("Transaction offset commit failed due to consumer group metadata mismatch")

    def is_unstable(self, group_id: str, partition: TopicPartition) -> bool:
        """Tell whether an open transaction is about to change the committed offset of *partition*."""
        with self.in_transaction() as transactions:
            return transactions.has_open_offsets(group_id, partition)

    # Errors

    def fail(self, call: str, error: Exception, *, times: int = 1, moment: Moment = "before") -> None:
        """Let the next *times* calls of the name *call* raise *error*.

        :param call: the method's name: of a consumer "poll", "committed", "position", "beginning_offsets",
            "end_offsets", "topics", "partitions_for_topic", "commit" or "commit_async", of a producer "partitions_for"
            "send", "send_offsets_to_transaction", "commit_transaction" or "abort_transaction".
        :param moment: "before" the call takes effect, or "after": then it did, and only its answer was lost. Only
            the calls that write have an effect, and so has "poll": it moves the positions, and its records are lost
            with the error.
        :raises ValueError: no call fails like this, so the test that asked for it would test nothing.
        """
        can_fail = {"before": READS + WRITES, "after": ("poll", *WRITES)}
        if call not in can_fail.get(moment, ()):
            raise ValueError(f"no call {call!r} can fail {moment} it took effect; those that can: {can_fail}")
        self._failures += [(call, moment, error)] * times

    def _fail_if_due(self, call: str, moment: Moment) -> None:
        for place, (name, when, error) in enumerate(self._failures):
            if (name, when) == (call, moment):
                del self._failures[place]
                raise error


def _require_little_metadata(offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
    for partition, offset in offsets.items():
        if len((offset.metadata or "").encode()) > MOST_METADATA:
            raise OffsetMetadataTooLargeError(f"{partition}: more than {MOST_METADATA} bytes of metadata")
