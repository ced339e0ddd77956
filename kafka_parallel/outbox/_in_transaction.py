"""How a plugin writes one record for another: at once, or together with the offset of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from kafka_parallel.outbox._config import producer_config, refuse_fake_consumer
from kafka_parallel.outbox._producer import open_outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from kafka_parallel.outbox._records import Outgoing, Producer, Written
    from kafka_parallel.values import Settings, Transactions


class Writer(Protocol):
    """Writes records: an `Outbox`, or its stand-in while a plugin provides transactions."""

    def write(self, record: Outgoing) -> Written:
        """Write a record; wait for the answer of the broker, unless it is written in a transaction.

        :param record: the record to write.
        :returns: its place; in a transaction the offset is not known yet, and -1.
        :raises KafkaError: the broker refused it, or did not answer in time.
        """

    def write_alone(self, record: Outgoing) -> Written:
        """Write a record in a request of its own: it was refused as too large, perhaps for the others of its request.

        :param record: the record to write.
        :returns: its place, as `write` does.
        :raises KafkaError: the broker refused it again, or did not answer in time.
        """


class Writers(Protocol):
    """Makes a `Writer` for each record that has failed: an `Outbox` is one for all of them."""

    def writer_for(self, context: Any) -> Writer:
        """Return the writer for the records that a plugin writes in the place of one that has failed.

        :param context: of the attempt that has failed.
        """

    def close(self) -> None:
        """Close the producer, if the plugin has one of its own; wait for the answers that are due."""


@dataclass(slots=True)
class Unplaced:
    """The place of a record that is written later: its offset is -1, and so is its partition if that is not chosen."""

    topic: str
    partition: int
    offset: int = -1


class WithinTransaction:
    """Writes the records of a plugin for one record that has failed, together with the offset of that one.

    :param transactions: those of the run.
    :param context: of the attempt that has failed.
    """

    def __init__(self, transactions: Any, context: Any) -> None:
        self._transactions = transactions
        self._context = context

    def write(self, record: Outgoing) -> Written:
        """Add *record* to the transaction that commits the failed record; its offset is not known yet."""
        self._transactions.add_instead(record, self._context)
        return Unplaced(record.topic, -1 if record.partition is None else record.partition)

    write_alone = write


class WithinTransactions:
    """Makes a `WithinTransaction` for each record that has failed.

    :param transactions: those of the run.
    """

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def writer_for(self, context: Any) -> Writer:
        """Return the writer that ties records to the transaction of the failed record of *context*."""
        return WithinTransaction(self._transactions, context)

    def close(self) -> None:
        """Do nothing: the producer is that of the plugin that provides the transactions."""


def open_writers(
    who: str,
    make_producer: Callable[..., Producer],
    overrides: Mapping[str, Any],
    topics: Collection[str],
    timeout_ms: float,
    settings: Settings,
) -> Writers:
    """Use the transactions of the run, or connect without them; make sure that *topics* exist.

    :param who: the plugin, for messages.
    :param make_producer: called with the settings of a ``KafkaProducer``; returns one.
    :param overrides: the user's ``producer_config``, checked by `check_overrides`.
    :param topics: which topics will be written to, as far as they are known.
    :param timeout_ms: most milliseconds one record may take, tries together.
    :param settings: of the run.
    :raises ConfigurationError: the cluster or one of the topics cannot be reached; its cause is kafka-python's error.
        Or the consumer is a fake one, and *make_producer* is not.
    """
    if settings.transactions is None:
        refuse_fake_consumer(who, make_producer, settings.consumer_config)
        config = producer_config(who, settings.consumer_config, overrides, timeout_ms)
        return open_outbox(who, make_producer, config, topics, timeout_ms, settings.clock)
    for topic in topics:
        settings.transactions.require_topic(topic)
    return WithinTransactions(settings.transactions)


def place_of(written: Written) -> str:
    """The place of a record, for messages; it is not known yet within a transaction.

    :param written: the answer of a `Writer`.
    """
    if written.offset < 0:
        return f"{written.topic}, together with the offset of the record"
    return f"{written.topic}[{written.partition}]@{written.offset}"
