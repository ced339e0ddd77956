"""The record that is written, how it is given to a producer, and the errors that this may raise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from kafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from kafka.serializer import Serializer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

# Errors that kafka-python 2.x raises instead of waking the thread of a producer that is closed at this moment.
CLOSED_MEANWHILE = (AttributeError, OSError)
# Errors that kafka-python raises on purpose (2.x asserts where 3.x raises ValueError and TypeError), and those above.
FAILURES = (KafkaError, AssertionError, ValueError, TypeError, *CLOSED_MEANWHILE)


class Outgoing(NamedTuple):
    """A record to be written.

    :ivar topic: where to.
    :ivar partition: its partition there; ``None`` = by its key, as the producer's partitioner chooses.
    :ivar key: its key; ``None`` = it has none.
    :ivar value: its value; ``None`` = it has none.
    :ivar headers: names and values, no value ``None``: kafka-python cannot send that.
    :ivar timestamp_ms: in milliseconds since the Unix epoch; ``None`` = the time at which it is sent.
    :ivar is_partition_exact: whether a partition that the topic does not have is refused. If not, it is taken modulo
        the number of partitions.
    """

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    timestamp_ms: int | None = None
    is_partition_exact: bool = False


class UnknownPartition(ValueError):  # noqa: N818 - named after what is wrong with the record
    """A record is to be written to a partition that its topic does not have."""

    advice = "name one of these, or leave partition= out"


class Written(Protocol):
    """The place of a record that was written."""

    topic: str
    partition: int
    offset: int


class Pending(Protocol):
    """A record on its way."""

    def get(self, timeout: float) -> Written:
        """Wait up to *timeout* seconds for the broker's answer; raise it if it is an error."""

    def failed(self) -> bool:
        """Tell whether it was refused."""

    def add_both(self, function: Callable[[object], object]) -> object:
        """Call *function* with the answer, good or bad, on any thread."""


class Producer(Protocol):
    """The part of ``KafkaProducer`` that is needed. Called from several threads at once."""

    def partitions_for(self, topic: str) -> Collection[int]:
        """Return the partitions of *topic*; wait for its metadata."""

    def send(self, topic: str, **record: Any) -> Pending:
        """Hand over a record.

        :param topic: where to.
        :param record: its value, key and headers, and its partition and timestamp_ms if it has them.
        """

    def close(self, timeout: float) -> None:
        """Close within *timeout* seconds."""


class ExactBytes(Serializer):  # type: ignore[misc] # kafka-python is not typed
    """Lets every key through as it is, and `NULL_KEY` as null."""

    def serialize(self, *args: Any) -> Any:
        """Return the last of *args*: kafka-python 2.x gives ``(topic, data)``, 3.x ``(topic, headers, data)``."""
        return None if args[-1] is NULL_KEY else args[-1]


# Kafka takes a record without key and value, kafka-python's send() does not: it wants something that is not None.
NULL_KEY = object()


def sent_by(producer: Producer, record: Outgoing) -> Pending:
    """Hand *record* to *producer*; it may wait for the metadata of its topic."""
    fields: dict[str, Any] = {"value": record.value, "headers": record.headers}
    fields["key"] = NULL_KEY if record.key is None and record.value is None else record.key
    if record.partition is not None:
        fields["partition"] = partition_of(producer, record)
    if record.timestamp_ms is not None:
        fields["timestamp_ms"] = record.timestamp_ms
    return producer.send(record.topic, **fields)


def partition_of(producer: Producer, record: Outgoing) -> int | None:
    """Return the partition of *record*, ``None`` = by its key; it may wait for the metadata of its topic.

    :param producer: knows the partitions.
    :param record: it.
    :raises UnknownPartition: the topic does not have it.
    """
    if record.partition is None:
        return None
    count = len(producer.partitions_for(record.topic))
    if record.is_partition_exact and record.partition >= count:
        raise UnknownPartition(f"partition={record.partition} is none of its partitions 0 to {count - 1}")
    return record.partition % count


def is_too_large(error: BaseException) -> bool:
    """Tell whether *error* says that a record is too large: for the producer, for the topic, for one batch."""
    return isinstance(error, (MessageSizeTooLargeError, RecordListTooLargeError))
