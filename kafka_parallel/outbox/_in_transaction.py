"""How a plugin writes one record for another: at once, or together with the offset of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from kafka_parallel.errors import StateError

if TYPE_CHECKING:
    from kafka_parallel.outbox._records import Outgoing, Written


class Writer(Protocol):
    """Writes records: an `Outbox`, or what stands for it while a plugin provides transactions."""

    def write(self, record: Outgoing) -> Written:
        """Write a record and return where it is.

        :param record: it.
        :raises KafkaError: it was refused.
        """

    def write_alone(self, record: Outgoing) -> Written:
        """Write a record that was refused as too large; it may be another one's fault.

        :param record: it.
        :raises KafkaError: it was refused.
        """


@dataclass(slots=True)
class Unplaced:
    """The place of a record that is written later: its offset is -1, and so is its partition if that is not chosen."""

    topic: str
    partition: int
    offset: int = -1


class WithinTransaction:
    """Writes what a plugin has for one record that has failed, together with the offset of that.

    :param transactions: those of the run.
    :param context: of the attempt that has failed.
    """

    def __init__(self, transactions: Any, context: Any) -> None:
        self._transactions = transactions
        self._context = context

    def write(self, record: Outgoing) -> Written:
        """Have *record* written."""
        self._transactions.add_instead(record, self._context)
        return Unplaced(record.topic, -1 if record.partition is None else record.partition)

    write_alone = write


def within_transaction(transactions: Any, context: Any) -> Writer:
    """Make a writer for one record that has failed.

    :param transactions: `Settings.transactions` of the run.
    :param context: of the attempt that has failed.
    :raises StateError: the run has none.
    """
    if transactions is None:
        raise StateError("this run has no transactions, and no producer any more")
    return WithinTransaction(transactions, context)


def place_of(written: Written) -> str:
    """The place of a record, for messages; it is not known yet within a transaction.

    :param written: the answer of a `Writer`.
    """
    if written.offset < 0:
        return f"{written.topic}, together with the offset of the record"
    return f"{written.topic}[{written.partition}]@{written.offset}"
