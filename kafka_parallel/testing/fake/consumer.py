"""A ``KafkaConsumer`` of the fake cluster, with the habits of kafka-python 2.x or 3.x."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Literal

from kafka import OffsetAndMetadata, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.consumer.group import KafkaConsumer
from kafka.errors import KafkaConfigurationError, KafkaError

from kafka_parallel._runtime.client.consumer_checks import usable
from kafka_parallel._runtime.client.rebalance_listener import KAFKA_PYTHON_3
from kafka_parallel.testing.fake.arguments import Arguments
from kafka_parallel.testing.fake.callbacks import InPoll, OnIoThread
from kafka_parallel.testing.fake.clock import Timeline
from kafka_parallel.testing.fake.cluster import FakeCluster
from kafka_parallel.testing.fake.commits import AsyncCommits, CommitFuture
from kafka_parallel.testing.fake.fetcher import Fetcher
from kafka_parallel.testing.fake.membership import Membership
from kafka_parallel.testing.fake.questions import Questions
from kafka_parallel.testing.fake.subscription import PartitionState, Subscription

__all__ = ["FakeConsumer"]

# kafka-python before 2.3 knows no static members; the fake has them with all of them.
DEFAULTS: dict[str, Any] = {"group_instance_id": None, **KafkaConsumer.DEFAULT_CONFIG}
# The wait of poll() between two looks, in seconds.
SLICE = 0.1


@usable
class FakeConsumer:
    """Reads the fake cluster; made and used as a ``KafkaConsumer`` is.

    :param topics: the topics to subscribe to.
    :param cluster: the cluster; several consumers may share it.
    :param habits: whose behaviour to show where the two differ; that of the installed kafka-python by default.
    :param clock: the time, the cluster's by default.
    :param config: as for ``KafkaConsumer``; options without a meaning here, for lack of a network, are accepted and
        ignored.
    :raises KafkaConfigurationError: an option that kafka-python does not know.
    """

    def __init__(
        self,
        *topics: str,
        cluster: FakeCluster,
        habits: Literal["2.x", "3.x"] | None = None,
        clock: Timeline | None = None,
        **config: Any,
    ) -> None:
        if unknown := config.keys() - DEFAULTS.keys():
            raise KafkaConfigurationError(f"unrecognized configs: {unknown}")
        # The mark is for plugins that would connect to a cluster by these settings.
        self.config: dict[str, Any] = {**DEFAULTS, **config, "is_fake": True}
        self._cluster = cluster
        self._clock = clock or cluster.clock
        self._closed = False
        self._is_3 = KAFKA_PYTHON_3 if habits is None else habits == "3.x"
        self._arguments = Arguments(is_3=self._is_3)
        if topics:
            self._arguments.require_subscription(topics, None, None)
        self._callbacks: InPoll | OnIoThread = OnIoThread(self._clock) if self._is_3 else InPoll()
        if isinstance(self._callbacks, OnIoThread):
            self._net = self._callbacks
        self._client = AsyncCommits(self._clock, cluster.brokers, has_io_thread=self._is_3)
        self._subscription = Subscription(topics)
        self._questions = Questions(self._clock, has_io_thread=self._is_3)
        self._fetcher = Fetcher(cluster, self._subscription, dict(self.config), self._questions)
        self._coordinator = self._join_group()
        self._next_auto_commit = self._clock.monotonic() + self.config["auto_commit_interval_ms"] / 1000
        self._iterated: Iterator[ConsumerRecord] = iter(())

    def _join_group(self) -> Membership:
        self.name: str = self._cluster.new_member(self.config["client_id"])
        strategies = [getattr(strategy, "name", strategy) for strategy in self.config["partition_assignment_strategy"]]
        return Membership(
            self._cluster,
            self.name,
            self._subscription,
            self._callbacks,
            self._clock,
            dict(self.config),
            self._client,
            is_cooperative=strategies[:1] == ["cooperative-sticky"],
        )

    @property
    def _states(self) -> dict[TopicPartition, PartitionState]:
        return self._subscription.assignment

    # Topics and partitions

    def subscribe(self, topics: Iterable[str] = (), pattern: str | None = None, listener: Any = None) -> None:
        """Subscribe to *topics*, or to all that match *pattern*, from the next poll on.

        :param listener: a ``ConsumerRebalanceListener``; its methods are called in ``poll()``.
        :raises IllegalStateError: partitions were assigned by hand, or it has a subscription of the other kind.
        :raises TypeError: *topics* is no sequence of names, or *listener* no ``ConsumerRebalanceListener``.
        :raises ValueError: there is no topic; in 2.x it is an AssertionError.
        """
        self._arguments.require_subscription(topics, pattern, listener)
        self._arguments.require_one_way(self._subscription.has_kind(bool(pattern)))
        self._subscription.subscribe(topics, pattern, listener)

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """Read *partitions*, without a rebalance; a later call replaces them.

        :raises IllegalStateError: topics are subscribed to.
        :raises AttributeError: one is no partition, and so has no topic.
        """
        if not partitions:
            self.unsubscribe()
            return
        self._arguments.require_one_way(not self._subscription.is_by_group)
        self._arguments.require_topics(partitions)
        self._subscription.choose(partitions)

    def unsubscribe(self) -> None:
        """End the subscription or the assignment by hand, and leave the group at once."""
        self._subscription.unsubscribe()
        self._coordinator.leave()

    def assignment(self) -> set[TopicPartition]:
        """The partitions that the group gave at its last rebalance, or that were assigned by hand."""
        return set(self._states)

    def subscription(self) -> set[str] | None:
        """The topics subscribed to, of a pattern those that match now; ``None`` without any."""
        if self._subscription.subscribed_pattern is not None:
            return {topic for topic in self._cluster.topics() if self._subscription.wants(topic)}
        return set(self._subscription.topics) or None

    def topics(self) -> set[str]:
        """The names of all topics of the cluster, subscribed to or not."""
        self._cluster.on_call("topics", "before")
        return self._cluster.topics()

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        """The numbers of the partitions of *topic*; ``None`` if it does not exist."""
        self._cluster.on_call("partitions_for_topic", "before")
        return set(self._cluster.partitions_of(topic)) or None

    # Fetching

    def poll(
        self, timeout_ms: float = 0, max_records: int | None = None, update_offsets: bool = True
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Take part in rebalances and fetch; wait at most *timeout_ms* for the first record.

        :raises KafkaError: the cluster's answer, or one that `FakeCluster.fail` ordered.
        :raises ValueError: a negative *timeout_ms*, or no *max_records*; in 2.x it is an AssertionError.
        """
        most = self.config["max_poll_records"] if max_records is None else max_records
        self._arguments.require_poll(timeout_ms, most)
        self._arguments.require(not self._closed, "KafkaConsumer is closed")
        deadline = self._clock.monotonic() + timeout_ms / 1000
        self._client.call_back()
        self._cluster.on_call("poll", "before")
        known = {partition: state for partition, state in self._states.items() if state.has_valid_position}
        while not (found := self._poll_once(most)):
            left = deadline - self._clock.monotonic()
            if left <= 0:
                break
            self._clock.sleep(min(SLICE, left))
        if all(known.get(partition) is self._states[partition] for partition in found):
            self._cluster.on_call("poll", "after")  # positions have moved, and the records are lost with the error
        return found

    def _poll_once(self, max_records: int) -> dict[TopicPartition, list[ConsumerRecord]]:
        self._client.poll()
        self._questions.read()
        if self._closed or not self._coordinator.poll():  # another thread may have closed it meanwhile
            return {}
        if self._subscription.is_by_group and self.config["group_id"] is None:
            wanted = [p for p in self._cluster.logs if self._subscription.wants(p.topic)]
            self._subscription.choose(sorted(wanted))
        self._auto_commit_if_due()
        return self._fetcher.fetched_records(max_records)[0]

    def __iter__(self) -> FakeConsumer:
        return self

    def __next__(self) -> ConsumerRecord:
        """The next record; the end after ``consumer_timeout_ms`` without one."""
        for record in self._iterated:
            return record
        batch = self.poll(timeout_ms=min(self.config["consumer_timeout_ms"], 1 << 40))
        self._iterated = itertools.chain.from_iterable(batch.values())
        for record in self._iterated:
            return record
        raise StopIteration

    # Positions

    def position(self, partition: TopicPartition, timeout_ms: float | None = None) -> int:
        """The offset of the record that the next `poll` returns first of *partition*.

        It is found out if need be: by the group's commit, or by ``auto_offset_reset``. *timeout_ms* is accepted and
        never passes.

        :raises TypeError: *partition* is none.
        :raises IllegalStateError: *partition* is not assigned; in 2.x it is an AssertionError.
        """
        self._require_assigned(partition)
        self._cluster.on_call("position", "before")
        return self._fetcher.find(partition)

    def highwater(self, partition: TopicPartition) -> int | None:
        """The end of the log of *partition* when it was fetched last; ``None`` before that."""
        self._require_assigned(partition)
        return self._states[partition].highwater

    def _require_assigned(self, partition: Any) -> None:
        self._arguments.require_partition(partition)
        self._arguments.require(partition in self._states, "Partition is not assigned")

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Let the next `poll` return records of *partition* from *offset* on; nothing is committed by it.

        :raises TypeError: *partition* is none.
        :raises ValueError: *offset* is no integer from 0 on, or *partition* is not assigned; in 2.x it is an
            AssertionError.
        """
        self._arguments.require_target(partition, offset, self._states)
        self._states[partition].seek(offset)

    def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        """Seek to the first record there is, in *partitions* or else in all that are assigned.

        :raises TypeError: one of *partitions* is none.
        :raises ValueError: one of them is not assigned, or no partition is; in 2.x it is an AssertionError.
        """
        self._arguments.require_some(partitions, self._states)
        for partition in partitions or self._states:
            self.seek(partition, self._cluster.log(partition).start)

    def seek_to_end(self, *partitions: TopicPartition) -> None:
        """Seek behind the last readable record, in *partitions* or else in all that are assigned.

        :raises TypeError: one of *partitions* is none.
        :raises ValueError: one of them is not assigned, or no partition is; in 2.x it is an AssertionError.
        """
        self._arguments.require_some(partitions, self._states)
        for partition in partitions or self._states:
            self.seek(partition, self._cluster.log(partition).readable_end(self.config["isolation_level"]))

    def beginning_offsets(
        self, partitions: Iterable[TopicPartition], timeout_ms: float | None = None
    ) -> dict[TopicPartition, int]:
        """The lowest offset that each of *partitions* still has; *timeout_ms* is accepted and never passes."""
        self._cluster.on_call("beginning_offsets", "before")
        return {partition: self._cluster.log(partition).start for partition in partitions}

    def end_offsets(
        self, partitions: Iterable[TopicPartition], timeout_ms: float | None = None
    ) -> dict[TopicPartition, int]:
        """The offset after the last one of each partition; with read_committed after the last stable one."""
        self._cluster.on_call("end_offsets", "before")
        self._cluster.end_late_transactions()
        isolation = self.config["isolation_level"]
        return {partition: self._cluster.log(partition).readable_end(isolation) for partition in partitions}

    def paused(self) -> set[TopicPartition]:
        """The assigned partitions for which `pause` was called last; others of the group are not known."""
        return {partition for partition, state in self._states.items() if state.paused}

    def pause(self, *partitions: TopicPartition) -> None:
        """Return nothing of *partitions* in `poll` until `resume`; their positions stay.

        :raises TypeError: one of *partitions* is none.
        :raises KeyError: one is not assigned.
        """
        self._arguments.require_partitions(partitions)
        for partition in partitions:
            self._states[partition].paused = True

    def resume(self, *partitions: TopicPartition) -> None:
        """Return records of *partitions* in `poll` again, from their positions on.

        :raises TypeError: one of *partitions* is none.
        :raises KeyError: one is not assigned.
        """
        self._arguments.require_partitions(partitions)
        for partition in partitions:
            self._states[partition].paused = False

    # Commits

    def commit(
        self, offsets: Mapping[TopicPartition, OffsetAndMetadata] | None = None, timeout_ms: float | None = None
    ) -> None:
        """Commit *offsets*, or all positions; wait for the answer.

        :raises TypeError: *offsets* is no mapping of partitions to offsets; in 2.x it is an AssertionError.
        :raises RuntimeError: called on the I/O thread (3.x), which would wait for itself.
        :raises KafkaError: the coordinator's answer, or one that `FakeCluster.fail` ordered.
        """
        chosen = self._chosen(offsets)
        self._coordinator.commit_offsets_sync(chosen, timeout_ms=timeout_ms)

    def commit_async(
        self,
        offsets: Mapping[TopicPartition, OffsetAndMetadata] | None = None,
        callback: Callable[[Any, Any], None] | None = None,
    ) -> CommitFuture:
        """Commit without waiting; a later ``poll()`` calls *callback* with the offsets and ``None`` or the error."""
        chosen = self._chosen(offsets)
        return self._coordinator.commit_offsets_async(chosen, callback=callback)

    def _chosen(self, offsets: Mapping[TopicPartition, OffsetAndMetadata] | None) -> Any:
        self._arguments.require(self.config["group_id"] is not None, "Requires group_id")
        chosen = self._subscription.all_consumed_offsets() if offsets is None else offsets
        self._arguments.require_offsets(chosen)
        return chosen

    def group_metadata(self) -> Any:
        """The membership, for a producer's transaction.

        :raises AttributeError: 2.x has none.
        """
        return self._coordinator.group_metadata()

    def _auto_commit_if_due(self) -> None:
        now = self._clock.monotonic()
        if now >= self._next_auto_commit:
            self._next_auto_commit = now + self.config["auto_commit_interval_ms"] / 1000
            self._auto_commit(lambda: FakeConsumer.commit_async(self))

    def _auto_commit(self, commit: Callable[[], Any]) -> None:
        # callers go through the class: a method replaced on the object must not get in between
        if self.config["group_id"] is not None and self._coordinator.config["enable_auto_commit"]:
            commit()

    def committed(self, partition: TopicPartition, metadata: bool = False, timeout_ms: float | None = None) -> Any:
        """The group's commit for *partition*: the offset, or offset and *metadata*; ``None`` if there is none."""
        self._arguments.require(self.config["group_id"] is not None, "Requires group_id")
        self._arguments.require_partition(partition)
        found = self._coordinator.fetch_committed_offsets([partition], timeout_ms=timeout_ms).get(partition)
        return found if found is None or metadata else found.offset

    # The end

    def close(self, autocommit: bool = True, timeout_ms: float | None = None) -> None:
        """Leave the group; a static member's place is kept."""
        if self._closed:
            return
        self._closed = True
        if autocommit:
            with suppress(KafkaError):
                self._auto_commit(lambda: FakeConsumer.commit(self))
        self._coordinator.give_up_all()
        self._coordinator.leave()
