"""One producer with a transactional id, and the transaction it is in: every wait has an end.

kafka-python waits for ever for the answers to offsets, commits and aborts. So its own objects are waited for here, by
their private names; where a producer has none, its methods are called, which a fake one answers at once.

An error leaves the transaction to be aborted. If not even that can be begun, the producer is of no use any more:
another one has its transactional id, or the coordinator has ended the transaction because it took too long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kafka.errors import KafkaError, KafkaTimeoutError

from kafka_parallel.outbox import sent_by

if TYPE_CHECKING:
    from kafka import OffsetAndMetadata, TopicPartition

    from kafka_parallel.outbox import Outgoing

__all__ = ()

# Seconds without an answer to an abort after which none is expected: the coordinator has ended the transaction itself.
LONGEST_ABORT = 60.0


class RefusedError(Exception):
    """A record was refused, or not acknowledged in time; ``__cause__`` says why.

    :ivar topic: where the record was to be written.
    """

    def __init__(self, topic: str) -> None:
        super().__init__(f"a result for topic {topic!r} was refused")
        self.topic = topic


class UnusableError(Exception):
    """The producer can begin no other transaction, such as one that was fenced; ``__cause__`` is its error."""


class UnansweredError(Exception):
    """The broker did not say in time how a transaction ended: it may be committed or aborted."""


class TransactionalProducer:
    """Makes one transaction after the other. Used by one thread at a time.

    :param producer: initialised, with `ExactBytes` as its key serialiser.
    :param clock: monotonic seconds.
    """

    def __init__(self, producer: Any, clock: Callable[[], float]) -> None:
        self._producer = producer
        self._clock = clock
        self._manager: Any = getattr(producer, "_transaction_manager", None)
        self._aborting: Any = None
        self._abort_began = 0.0

    def begin_next(self, until: float) -> None:
        """Begin a transaction; first wait for the answer to the last abort, if it is outstanding.

        :param until: when to give up, in seconds of the monotonic clock.
        :raises KafkaTimeoutError: the answer did not come in time.
        :raises UnusableError: the producer can make no transaction any more, or the answer has not come for a minute.
        """
        try:
            if self._aborting is not None:
                self._await(self._aborting, until)
                self._aborting = None
            self._forget_refused_offsets()
            self._producer.begin_transaction()
        except KafkaTimeoutError as error:
            if self._clock() - self._abort_began < LONGEST_ABORT:
                raise
            raise UnusableError from error
        except KafkaError as error:
            raise UnusableError from error

    def _forget_refused_offsets(self) -> None:
        """Keep offsets that were refused out of the next transaction: kafka-python 3.0 adds them to its own.

        They would be stored under the membership of now, also those of partitions that another member has by now. The
        owner after it would repeat what that one has written, or skip records without results.
        """
        holder = self._producer if self._manager is None else self._manager
        refused = getattr(holder, "_pending_txn_offset_commits", None)
        if refused:
            refused.clear()

    def send_records(self, records: Sequence[Outgoing], until: float) -> None:
        """Send *records*, and wait until the brokers have acknowledged all of them.

        :raises RefusedError: one was refused, or not acknowledged in time.
        """
        if not records:
            return
        sent: list[Any] = []
        error: BaseException | None = None
        try:
            sent.extend(sent_by(self._producer, record) for record in records)
            self._producer.flush(timeout=max(0.0, until - self._clock()))
        except (KafkaError, ValueError, TypeError) as raised:
            error = raised
        for record, pending in zip(records, sent, strict=False):
            if pending.failed():  # all behind it fail for that
                raise RefusedError(record.topic) from _error_of(pending)
        if error is not None:
            raise RefusedError(records[min(len(sent), len(records) - 1)].topic) from error

    def send_offsets(
        self, offsets: Mapping[TopicPartition, OffsetAndMetadata], group_metadata: Any, until: float
    ) -> None:
        """Make *offsets* part of the transaction.

        :raises KafkaError: they were refused, or not answered in time.
        """
        if self._manager is None:
            self._producer.send_offsets_to_transaction(offsets, group_metadata)
            return
        result = self._manager.send_offsets_to_transaction(offsets, group_metadata)
        self._await(result, until)

    def end_by_commit(self, until: float) -> None:
        """Commit the transaction.

        :raises UnansweredError: it is not known whether it was committed.
        :raises KafkaError: it was not.
        """
        try:
            if self._manager is None:
                self._producer.commit_transaction()
            else:
                self._await(self._manager.begin_commit(), until)
        except KafkaTimeoutError as error:
            raise UnansweredError from error

    def end_by_abort(self, until: float) -> None:
        """Abort the transaction, unless that was begun; if no answer comes in time, return: `begin_next` waits for it.

        :raises UnusableError: it cannot be aborted, so the producer can begin no other one.
        """
        if self._aborting is not None:
            return
        try:
            if self._manager is None:
                self._producer.abort_transaction()
                return
            self._aborting, self._abort_began = self._manager.begin_abort(), self._clock()
            self._await(self._aborting, until)
            self._aborting = None
        except KafkaTimeoutError:
            return
        except KafkaError as error:
            raise UnusableError from error

    def _await(self, result: Any, until: float) -> None:
        """Wait for an answer, and raise it if it is an error.

        :raises KafkaTimeoutError: it has not come.
        """
        self._producer._sender.wakeup()  # noqa: SLF001 - as its own methods do before they wait
        if not result.wait(timeout_ms=max(0.0, until - self._clock()) * 1000):
            raise KafkaTimeoutError("no answer of the coordinator in time")


def _error_of(pending: Any) -> BaseException:
    try:
        pending.get(timeout=0)
    except Exception as error:  # noqa: BLE001 - the answer
        return error
    return RuntimeError("it failed without an error")
