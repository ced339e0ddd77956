"""How a dead letter reaches the broker, and when it counts as written: only with the broker's answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from kafka.errors import KafkaError
from kafka.serializer import Serializer

from kafka_parallel import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from kafka.consumer.fetcher import ConsumerRecord

    from kafka_parallel_plugins.dlq.headers import Header

# What kafka-python raises on purpose: its 2.x asserts where 3.x raises ValueError and TypeError.
FAILURES = (KafkaError, AssertionError, ValueError, TypeError, OSError)


class Written(Protocol):
    """Where the broker put a record."""

    topic: str
    partition: int
    offset: int


class Pending(Protocol):
    """A record on its way."""

    def get(self, timeout: float) -> Written:
        """Wait up to *timeout* seconds for the broker's answer; raise what it answered if it is an error."""


class Producer(Protocol):
    """The part of ``KafkaProducer`` that dead letters need. Called from several threads at once."""

    def partitions_for(self, topic: str) -> Collection[int]:
        """Return the partitions of *topic*; wait for its metadata."""

    def send(self, topic: str, *, value: Any, key: Any, headers: list[Header], partition: int) -> Pending:
        """Hand over a record."""

    def close(self, timeout: float) -> None:
        """Close within *timeout* seconds."""


class ExactBytes(Serializer):  # type: ignore[misc] # kafka-python is not typed
    """Lets every key through as it is, and `NULL_KEY` as null."""

    def serialize(self, *args: Any) -> Any:
        """Return the last argument: kafka-python 2.x gives ``(topic, data)``, 3.x ``(topic, headers, data)``."""
        return None if args[-1] is NULL_KEY else args[-1]


# Kafka takes a record without key and value, kafka-python's send() does not: it wants something that is not None.
NULL_KEY = object()


class Outbox:
    """Writes dead letters and waits for each answer. Any number of threads may use it at once.

    :param producer: an open producer with `ExactBytes` as its key serialiser.
    :param timeout: most seconds one dead letter may take.
    :param clock: monotonic seconds.
    """

    def __init__(self, producer: Producer, timeout: float, clock: Callable[[], float]) -> None:
        self._producer = producer
        self._timeout = timeout
        self._clock = clock

    def check(self, topic: str) -> None:
        """Make sure that *topic* can be reached; wait for it as long as for a dead letter.

        :raises ConfigurationError: it cannot.
        """
        try:
            self._producer.partitions_for(topic)
        except FAILURES as error:
            raise ConfigurationError(
                f"plugin dlq cannot reach its topic {topic!r} ({error!r}): create the topic, or "
                "allow the user of the consumer's connection to describe and write it"
            ) from error

    def write(self, topic: str, raw: ConsumerRecord, headers: list[Header]) -> Written:
        """Write *raw* with *headers* to *topic* and return where the broker put it.

        It goes to the partition of the same number, or modulo the number of partitions where there are fewer.

        :raises KafkaError: the broker refused it or did not answer in time; 2.x raises AssertionError for some causes.
        """
        deadline = self._clock() + self._timeout
        partition = raw.partition % len(self._producer.partitions_for(topic))
        key = NULL_KEY if raw.key is None and raw.value is None else raw.key
        pending = self._producer.send(topic, value=raw.value, key=key, headers=headers, partition=partition)
        return pending.get(timeout=max(0.0, deadline - self._clock()))

    def close(self) -> None:
        """Close the producer."""
        self._producer.close(timeout=self._timeout)


def open_outbox(
    make_producer: Callable[..., Producer],
    config: Mapping[str, Any],
    topics: Collection[str],
    timeout: float,
    clock: Callable[[], float],
) -> Outbox:
    """Connect, and make sure that *topics* exist and may be described.

    :raises ConfigurationError: the cluster or one of the topics cannot be reached; its cause is kafka-python's error.
    """
    outbox = Outbox(_connect(make_producer, config), timeout, clock)
    try:
        for topic in topics:
            outbox.check(topic)
    except ConfigurationError:
        outbox.close()
        raise
    return outbox


def _connect(make_producer: Callable[..., Producer], config: Mapping[str, Any]) -> Producer:
    try:
        return make_producer(**config, key_serializer=ExactBytes())
    except FAILURES as error:
        raise ConfigurationError(
            f"plugin dlq cannot start its producer ({error!r}): check the consumer's connection "
            f"settings and the plugin's producer_config; together they set {', '.join(sorted(config))}"
        ) from error
