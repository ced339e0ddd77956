"""Records that are sent together, and waited for together: how a call that has several results hands them over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kafka_parallel.outbox._records import FAILURES, sent_by

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kafka_parallel.outbox._records import Outgoing, Pending, Producer, Written


class WritesAnew(Protocol):
    """The outbox that records are handed over by."""

    def may_try_again(self, producer: Producer, error: BaseException, deadline: float) -> bool:
        """Tell whether a record that *producer* could not write for *error* may be written after all."""

    def write_anew(self, record: Outgoing, failed: Producer, error: BaseException, deadline: float) -> Written:
        """Write *record* again, which *failed* could not write for *error*."""

    def seconds_left(self, deadline: float) -> float:
        """The time until *deadline*, 0 if it has passed."""


class HandedOver:
    """Records that were sent together, on their way.

    :param outbox: writes records again that have failed.
    :param producer: sends them.
    :param records: in their order.
    :param deadline: when they have to be acknowledged, in seconds of the monotonic clock.
    :ivar error: why the first record that could not even be sent was not, and those behind it neither.
    """

    def __init__(self, outbox: WritesAnew, producer: Producer, records: Sequence[Outgoing], deadline: float) -> None:
        self._outbox = outbox
        self._producer = producer
        self._records = records
        self._deadline = deadline
        self._pending: list[Pending] = []
        self.error: BaseException | None = None
        try:
            for record in records:
                self._pending.append(sent_by(producer, record))
        except FAILURES as error:
            self.error = error

    def when_answered(self, function: Callable[[object], object]) -> None:
        """Call a function once for each record that was sent, when its answer has come, on any thread.

        :param function: called with the answer, good or bad.
        """
        for pending in self._pending:
            pending.add_both(function)

    @property
    def count(self) -> int:
        """The number of records that the producer took, whether their answers have come or not."""
        return len(self._pending)

    @property
    def has_failed(self) -> bool:
        """True if a record was not sent, or was refused by now: then `require_written` may block to write it again."""
        return self.error is not None or any(pending.failed() for pending in self._pending)

    def require_written(self) -> None:
        """Wait for all answers. From the first record that failed on, all are written again, in their order.

        :raises NotWritten: a record was not written; its cause is the error.
        """
        for place, record in enumerate(self._records):
            try:
                if place == len(self._pending):
                    raise self.error or RuntimeError("it was not sent")
                self._pending[place].get(timeout=self._outbox.seconds_left(self._deadline))
            except FAILURES as error:
                if not self._outbox.may_try_again(self._producer, error, self._deadline):
                    raise NotWritten(record) from error
                return self._write_anew(self._records[place:], error)
        return None

    def _write_anew(self, records: Sequence[Outgoing], error: BaseException) -> None:
        for record in records:
            try:
                self._outbox.write_anew(record, self._producer, error, self._deadline)
            except FAILURES as failure:
                raise NotWritten(record) from failure


class NotWritten(Exception):  # noqa: N818 - named after what happened to the record
    """A record was not written; ``__cause__`` says why.

    :ivar record: it.
    """

    def __init__(self, record: Outgoing) -> None:
        super().__init__(f"no broker acknowledged a record for topic {record.topic!r}")
        self.record = record
