"""A ``KafkaProducer`` of the fake cluster, for plugins that produce."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kafka import TopicPartition
from kafka.errors import UnknownTopicOrPartitionError
from kafka.producer.future import RecordMetadata

if TYPE_CHECKING:
    from kafka_parallel.testing.fake.cluster import FakeCluster
    from kafka_parallel.testing.fake.log import Headers

__all__ = ["FakeProducer"]


class FakeProducer:
    """Appends to the fake cluster. Any number of threads may use it at once.

    :param cluster: where records go.
    :param config: the settings of a ``KafkaProducer``; serialisers are used, the rest is only kept.
    """

    def __init__(self, *, cluster: FakeCluster, **config: Any) -> None:
        self.config = config
        self._cluster = cluster
        self._closed = False

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
        """
        if self._closed:
            raise RuntimeError("the FakeProducer is closed")
        raw_key = self._serialize("key_serializer", topic, headers, key)
        raw_value = self._serialize("value_serializer", topic, headers, value)
        try:
            self._cluster.on_call("send", "before")
            record = self._cluster.append(
                topic, raw_value, raw_key, partition=partition, headers=headers or (), timestamp_ms=timestamp_ms
            )
            self._cluster.on_call("send", "after")
        except Exception as error:  # noqa: BLE001 - the caller's, when it asks
            return Sent(error)
        sizes = (record.serialized_key_size, record.serialized_value_size, record.serialized_header_size)
        partition_of = TopicPartition(topic, record.partition)
        return Sent(RecordMetadata(*partition_of, partition_of, record.offset, record.timestamp, None, *sizes))

    def _serialize(self, name: str, topic: str, headers: Any, data: Any) -> Any:
        serializer = self.config.get(name)
        if serializer is None:
            return data
        return serializer.serialize(topic, headers, data) if hasattr(serializer, "serialize") else serializer(data)

    def flush(self, timeout: float | None = None) -> None:
        """Do nothing: everything was written when it was sent."""

    def close(self, timeout: float | None = None) -> None:
        """Take nothing more."""
        self._closed = True


class Sent:
    """The result of `FakeProducer.send`: the commonly used part of kafka-python's future."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    @property
    def is_done(self) -> bool:
        """Tell whether the answer is there: always."""
        return True

    def succeeded(self) -> bool:
        """Tell whether the record was written."""
        return not self.failed()

    def failed(self) -> bool:
        """Tell whether the record was refused."""
        return isinstance(self._answer, Exception)

    def get(self, timeout: float | None = None) -> Any:
        """Return the place of the record, or raise its error."""
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def add_callback(self, function: Any, *arguments: Any) -> Sent:
        """Call *function* with the place of the record if it was written."""
        if self.succeeded():
            function(*arguments, self._answer)
        return self

    def add_both(self, function: Any, *arguments: Any) -> Sent:
        """Call *function* with the place of the record or its error."""
        return self.add_callback(function, *arguments).add_errback(function, *arguments)

    def add_errback(self, function: Any, *arguments: Any) -> Sent:
        """Call *function* with the error if the record was refused."""
        if self.failed():
            function(*arguments, self._answer)
        return self
