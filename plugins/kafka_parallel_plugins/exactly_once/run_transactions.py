"""The transactions of one run: which error aborts one, which is tried again, and which stops the consumer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from kafka.errors import KafkaError

from kafka_parallel import CommitContext, CommitFailed, Settings
from kafka_parallel.outbox import close_producer
from kafka_parallel_plugins.exactly_once.transactional_producer import (
    RefusedError,
    TransactionalProducer,
    UnansweredError,
    UnusableError,
)

if TYPE_CHECKING:
    from kafka import OffsetAndMetadata, TopicPartition

    from kafka_parallel.outbox import Outgoing

__all__ = ()

NAME = "exactly-once"
# The number of transactions in a row that are refused for their contents before the consumer stops.
MOST_REFUSALS = 3
# The share of the transaction's time limit after which it is aborted here, before the coordinator does it.
SHARE = 0.8


class RunTransactions:
    """The producer of one run, and how its transactions go.

    :param timeout: of a transaction, in seconds.
    :ivar settings: of the run.
    :ivar transactional_id: of the producer.
    :ivar producer: it.
    """

    def __init__(self, settings: Settings, transactional_id: str, producer: Any, timeout: float) -> None:
        self.settings = settings
        self.transactional_id = transactional_id
        self.producer = producer
        self._timeout = timeout
        self._transactions = TransactionalProducer(producer, settings.clock)
        self._refusals = 0
        self._end: CommitFailed | None = None

    def write_together(
        self, records: Sequence[Outgoing], offsets: Mapping[TopicPartition, OffsetAndMetadata], context: CommitContext
    ) -> None:
        """Make one transaction of *records* and *offsets*.

        :raises CommitFailed: the producer can make no transaction any more; each later call raises the same error.
        """
        if self._end is not None:
            raise self._end
        try:
            self._write(records, offsets, context)
        except CommitFailed as error:
            self._end = error
            raise

    def _write(
        self, records: Sequence[Outgoing], offsets: Mapping[TopicPartition, OffsetAndMetadata], context: CommitContext
    ) -> None:
        if context.group_metadata is None:
            raise CommitFailed(f"plugin {NAME} cannot commit: the client does not tell its membership of the group")
        membership, clock = context.group_metadata(), self.settings.clock
        until = clock() + min(context.timeout_ms / 1000, SHARE * self._timeout)
        try:
            self._transactions.begin_next(until)
            self._transactions.send_records(records, until)
            self._transactions.send_offsets(offsets, membership, until)
        except UnusableError as error:
            self._give_up(error.__cause__ or error)
        except Exception as error:  # noqa: BLE001 - raised again when it is aborted
            self._abort(error)
        except BaseException:
            with suppress(UnusableError):
                self._transactions.end_by_abort(clock())
            raise
        self._commit()
        self._refusals = 0

    def _commit(self) -> None:
        try:
            self._transactions.end_by_commit(self.settings.clock() + self._timeout)
        except UnansweredError as error:
            raise CommitFailed(
                f"plugin {NAME}: the coordinator did not say within {self._timeout:g} s whether a transaction was "
                "committed; it is whole or not there at all, and the next start goes on behind it or repeats it"
            ) from error.__cause__
        except KafkaError as error:
            self._give_up(error)

    def _abort(self, error: Exception) -> NoReturn:
        """Abort the transaction, and raise *error*; its results stay pending, for the next transaction.

        A result that is refused again and again stops the consumer; a broker that is away does not.
        """
        topic = error.topic if isinstance(error, RefusedError) else None
        cause = error.__cause__ if isinstance(error, RefusedError) and error.__cause__ is not None else error
        try:
            self._transactions.end_by_abort(self.settings.clock() + SHARE * self._timeout)
        except UnusableError as unusable:
            self._give_up(cause, unusable.__cause__)
        if topic is not None and not getattr(cause, "retriable", False):
            self._refusals += 1
            if self._refusals >= MOST_REFUSALS:
                raise CommitFailed(
                    f"plugin {NAME}: topic {topic!r} refused a result in {MOST_REFUSALS} transactions ({cause!r}), so "
                    "none of these can be committed: let the topic take it, or lower max_request_size in "
                    "producer_config, so that a result that is too large fails its own record"
                ) from cause
        raise cause

    def _give_up(self, error: BaseException, second: BaseException | None = None) -> NoReturn:
        detail = "" if second is None else f", then {second!r}"
        raise CommitFailed(
            f"plugin {NAME}: the producer with transactional_id={self.transactional_id!r} can make no transaction any "
            f"more ({error!r}{detail}): another one uses the id, or a transaction took longer than "
            "transaction_timeout_ms; nothing of it was committed"
        ) from error

    def close(self) -> None:
        """Close the producer; a transaction that is still open is ended by the coordinator."""
        close_producer(self.producer, timeout_ms=self._timeout * 1000)
