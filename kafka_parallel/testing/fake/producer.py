"""A ``KafkaProducer`` of the fake cluster, for plugins that produce."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kafka import KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    ProducerFencedError,
    UnknownTopicOrPartitionError,
)
from kafka.producer.future import RecordMetadata

from kafka_parallel.testing.fake.sent import Sent
from kafka_parallel.testing.fake.transactions import member_of

if TYPE_CHECKING:
    from kafka_parallel.testing.fake.cluster import FakeCluster
    from kafka_parallel.testing.fake.log import Headers

__all__ = ["FakeProducer"]


class FakeProducer:
    """Appends to the fake cluster. Any number of threads may use it at once; one at a time its transactions.

    An error in a transaction leaves it to be aborted; one that says that the producer was fenced is its end.

    :param cluster: where records go.
    :param config: the settings of a ``KafkaProducer``; serialisers and those of transactions are used, the rest is only
        kept.
    """

    def __init__(self, *, cluster: FakeCluster, **config: Any) -> None:
        self.config = config
        self._cluster = cluster
        self._closed = False
        self._epoch: int | None = None
        self._is_open = False
        self._error: Exception | None = None
        # Offsets that were refused: kafka-python 3.0 sends them with the next transaction.
        self._pending_txn_offset_commits: dict[TopicPartition, OffsetAndMetadata] = {}

    def partitions_for(self, topic: str) -> set[int]:
        """The partitions of *topic*.

        :raises UnknownTopicOrPartitionError: it does not exist.
        """
        self._cluster.on_call("partitions_for", "before")
        found = set(self._cluster.partitions_of(topic))
        if not found:
            raise UnknownTopicOrPartitionError(f"topic {topic!r} does not exist")
        return found

    def send(
        self,
        topic: str,
        value: Any = None,
        key: Any = None,
        headers: Headers | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Sent:
        """Append a record; ``get()`` of the result gives the answer, good or bad.

        :raises RuntimeError: the producer is closed.
        :raises IllegalStateError: it is transactional, and in no transaction.
        """
        if self._closed:
            raise RuntimeError("the FakeProducer is closed")
        if self._name is not None:
            self._require_open()
        raw_key = self._serialize("key_serializer", topic, headers, key)
        raw_value = self._serialize("value_serializer", topic, headers, value)
        sent = {"partition": partition, "headers": headers or (), "timestamp_ms": timestamp_ms}
        try:
            self._cluster.on_call("send", "before")
            record = self._append(topic, raw_value, raw_key, sent)
            self._cluster.on_call("send", "after")
        except Exception as error:  # noqa: BLE001 - the caller's, when it asks
            self._error = error if self._is_open else None
            return Sent(error)
        sizes = (record.serialized_key_size, record.serialized_value_size, record.serialized_header_size)
        partition_of = TopicPartition(topic, record.partition)
        return Sent(RecordMetadata(*partition_of, partition_of, record.offset, record.timestamp, None, *sizes))

    def _append(self, topic: str, value: Any, key: Any, sent: dict[str, Any]) -> Any:
        if self._name is None:
            return self._cluster.append(topic, value, key, **sent)
        with self._cluster.in_transaction() as transactions:
            number = self._cluster.partition_of(topic, key, sent["partition"])
            place = TopicPartition(topic, number)
            name = transactions.write_to(self._name, self._current, place, self._ends_at)
            return self._cluster.append(topic, value, key, **{**sent, "partition": number}, transaction=name)

    def _serialize(self, name: str, topic: str, headers: Any, data: Any) -> Any:
        serializer = self.config.get(name)
        if serializer is None:
            return data
        return serializer.serialize(topic, headers, data) if hasattr(serializer, "serialize") else serializer(data)

    def flush(self, timeout: float | None = None) -> None:
        """Do nothing: everything was written when it was sent."""

    def close(self, timeout: float | None = None) -> None:
        """Take nothing more; a transaction that is open is left to its coordinator."""
        self._closed = True

    # Transactions

    @property
    def _name(self) -> str | None:
        name: str | None = self.config.get("transactional_id")
        return name

    @property
    def _current(self) -> int:
        if self._epoch is None:
            raise IllegalStateError("init_transactions() was not called")
        return self._epoch

    @property
    def _ends_at(self) -> float:
        default = KafkaProducer.DEFAULT_CONFIG.get("transaction_timeout_ms", 60_000)
        return self._cluster.clock.monotonic() + float(self.config.get("transaction_timeout_ms", default)) / 1000

    def init_transactions(self) -> None:
        """Take the transactional id: an earlier producer of it is fenced, and its transaction aborted."""
        if self._name is None:
            raise IllegalStateError("the FakeProducer has no transactional_id")
        with self._cluster.in_transaction() as transactions:
            self._epoch = transactions.start(self._name)

    def begin_transaction(self) -> None:
        """Begin a transaction.

        :raises KafkaError: the one before has not been ended.
        """
        if self._is_open or self._error is not None:
            raise KafkaError(f"a transaction is open, or has to be aborted ({self._error!r})")
        self._is_open = self._current > 0

    def send_offsets_to_transaction(
        self, offsets: Mapping[TopicPartition, OffsetAndMetadata], group_metadata: Any
    ) -> None:
        """Make *offsets* part of the transaction, and with them those that were refused in an earlier one.

        :raises CommitFailedError: the member of *group_metadata* is outdated.
        :raises ProducerFencedError: another producer has the transactional id, or the transaction took too long.
        """
        self._require_open()
        group_id = getattr(group_metadata, "group_id", group_metadata)
        try:
            self._cluster.on_call("send_offsets_to_transaction", "before")
            with self._cluster.in_transaction() as transactions:
                self._cluster.require_member(group_id, member_of(group_metadata))
                together = {**self._pending_txn_offset_commits, **offsets}
                transactions.add_offsets(str(self._name), self._current, group_id, together, self._ends_at)
            self._pending_txn_offset_commits.clear()
            self._cluster.on_call("send_offsets_to_transaction", "after")
        except Exception as error:
            self._error = error
            if isinstance(error, CommitFailedError):
                self._pending_txn_offset_commits.update(offsets)
            raise

    def commit_transaction(self) -> None:
        """Commit the transaction.

        :raises ProducerFencedError: another producer has the transactional id, or the transaction took too long.
        """
        self._require_open()
        self._end("commit_transaction", commits=True)

    def abort_transaction(self) -> None:
        """Abort the transaction.

        :raises KafkaError: the producer has been fenced.
        """
        if isinstance(self._error, ProducerFencedError):
            raise KafkaError(f"the FakeProducer is of no use any more ({self._error!r})")
        if not self._is_open:
            raise KafkaError("no transaction is open")
        self._end("abort_transaction", commits=False)

    def _end(self, call: str, *, commits: bool) -> None:
        try:
            self._cluster.on_call(call, "before")
            with self._cluster.in_transaction() as transactions:
                transactions.end(str(self._name), self._current, commits=commits)
            self._is_open, self._error = False, None
            self._cluster.on_call(call, "after")
        except Exception as error:
            self._error = error
            raise

    def _require_open(self) -> None:
        if self._error is not None:
            raise KafkaError(f"the transaction has to be aborted: {self._error!r}")
        if not self._is_open:
            raise IllegalStateError("no transaction is open")
