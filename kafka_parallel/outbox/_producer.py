"""How a plugin hands a record to the broker, and when it counts as written: only with the broker's answer."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from kafka.errors import KafkaError

from kafka_parallel._logs import area_logger
from kafka_parallel.errors import ConfigurationError
from kafka_parallel.outbox._config import advice_on, owner
from kafka_parallel.outbox._handed_over import HandedOver
from kafka_parallel.outbox._records import CLOSED_MEANWHILE, FAILURES, ExactBytes, is_too_large, sent_by

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any

    from kafka_parallel.outbox._records import Outgoing, Producer, Written

log = area_logger("outbox")

# The number of times a record is handed over while its time lasts. The producer itself tries again within each.
MOST_TRIES = 3
# The time, in seconds, that a producer gets to fail its unsent records: it asks no broker.
FORCED_CLOSE_TIMEOUT = 5.0


class Outbox:
    """Writes records and waits for each answer. Any number of threads may use it at once.

    All share one producer until a record is too large for its topic. That breaks an idempotent producer of kafka-python
    3: from then on it fails every record with that record's error, also those on their way. So a record that is said to
    be too large is written again with a producer of its own, where only its own size counts; if that works, the new
    producer takes the place of the old one. A lock guards which producer that is.

    :param connect: opens a producer with `ExactBytes` as its key serialiser.
    :param timeout_ms: most milliseconds one record may take, tries together.
    :param clock: monotonic seconds.
    :raises KafkaError: the error of *connect*.
    """

    def __init__(self, connect: Callable[[], Producer], timeout_ms: float, clock: Callable[[], float]) -> None:
        self._connect = connect
        self._timeout_ms = timeout_ms
        self._clock = clock
        self._lock = threading.Lock()
        self._alone = threading.Lock()
        self._producer = connect()

    def check(self, who: str, topic: str) -> None:
        """Make sure that *topic* can be reached; wait for it as long as for a record.

        :param who: the plugin, for messages.
        :param topic: the topic.
        :raises ConfigurationError: it cannot.
        """
        try:
            self._producer.partitions_for(topic)
        except FAILURES as error:
            raise ConfigurationError(f"{owner(who)} cannot reach its topic {topic!r}: {advice_on(error)}") from error

    def writer_for(self, _: object) -> Outbox:
        """Return this outbox, which writes for every record: see `Writers`.

        :param _: the context of an attempt.
        """
        return self

    def write(self, record: Outgoing, deadline: float | None = None) -> Written:
        """Write *record* and return where the broker put it.

        A failure that may pass is tried again while time is left: the answer may have got lost, so the record may be
        there twice.

        :param deadline: until when, in seconds of the monotonic clock; ``None`` = as long as a record may take.
        :raises KafkaError: the broker refused it or did not answer in time; 2.x raises AssertionError for some causes.
        """
        deadline = self._deadline() if deadline is None else deadline
        tries = 1
        while True:
            producer = self._producer
            try:
                return self._write(producer, record, deadline)
            except FAILURES as error:
                may_pass = producer is not self._producer or _may_pass(error)
                if not may_pass or tries == MOST_TRIES or self._clock() >= deadline:
                    raise
                tries += 1

    def write_alone(self, record: Outgoing, deadline: float | None = None) -> Written:
        """Write *record* with a producer of its own: if it is too large now, it is this one that is.

        :param deadline: as for `write`.
        :raises KafkaError: as `write`.
        """
        deadline = self._deadline() if deadline is None else deadline
        producer = self._connect()
        try:
            written = self._write(producer, record, deadline)
        except BaseException:
            close_producer(producer, timeout_ms=0)
            raise
        with self._lock:
            producer, self._producer = self._producer, producer
        close_producer(producer, self._timeout_ms)
        return written

    def hand_over(self, records: Sequence[Outgoing]) -> HandedOver:
        """Send records without waiting for the answers; it may wait for the metadata of a topic and for memory.

        :param records: in their order.
        """
        return HandedOver(self, self._producer, records, self._deadline())

    def write_anew(self, record: Outgoing, failed: Producer, error: BaseException, deadline: float) -> Written:
        """Write a record again.

        If a record is said to be too large, only one of all that fail for it opens a producer; the others use that.

        :param record: it.
        :param failed: the producer that could not write it.
        :param error: why not.
        :param deadline: as for `write`.
        :raises KafkaError: as `write`.
        """
        if not is_too_large(error):
            return self.write(record, deadline)
        with self._alone:
            if failed is self._producer:
                return self.write_alone(record, deadline)
        try:
            return self.write(record, deadline)
        except FAILURES as again:
            if not is_too_large(again):
                raise
        with self._alone:
            return self.write_alone(record, deadline)

    def may_try_again(self, producer: Producer, error: BaseException, deadline: float) -> bool:
        """Tell whether a record that was not written may be written after all.

        :param producer: the one that could not write it.
        :param error: why not.
        :param deadline: as for `write`.
        """
        has_passed = producer is not self._producer or _may_pass(error) or is_too_large(error)
        return has_passed and self._clock() < deadline

    def _deadline(self) -> float:
        return self._clock() + self._timeout_ms / 1000

    def seconds_left(self, deadline: float) -> float:
        """The time until a moment, in seconds; 0 if it has passed.

        :param deadline: the moment, in seconds of the monotonic clock.
        """
        return max(0.0, deadline - self._clock())

    def _write(self, producer: Producer, record: Outgoing, deadline: float) -> Written:
        return sent_by(producer, record).get(timeout=self.seconds_left(deadline))

    def close(self) -> None:
        """Close the producer. A record that no broker has acknowledged by then is not written later."""
        close_producer(self._producer, self._timeout_ms)


def close_producer(producer: Producer, timeout_ms: float) -> None:
    """Close *producer* within *timeout_ms*, whatever it still has to send.

    kafka-python's ``close()`` gives up on a record that cannot be sent in time and leaves everything open: its thread
    would send that record later, maybe after another run has finished with it.
    """
    try:
        _close(producer, timeout_ms / 1000)
    except KafkaError:
        sender = getattr(producer, "_sender", None)
        if sender is None:
            raise
        log.warning("a record is given up that was to be written: no broker acknowledged it in %g ms", timeout_ms)
        with suppress(*CLOSED_MEANWHILE):  # its thread has ended and needs no waking
            sender.force_close()
        sender.join(FORCED_CLOSE_TIMEOUT)
        _close_at_last(producer)


def _close_at_last(producer: Producer) -> None:
    """Close *producer*, which was told to give everything up; it may be stuck all the same."""
    try:
        _close(producer, FORCED_CLOSE_TIMEOUT)
    except KafkaError as error:
        log.warning("a producer did not end within %g s after it was told to give everything up (%r): its thread goes "
                    "on, and may write records that count as not written", 2 * FORCED_CLOSE_TIMEOUT, error)  # fmt: skip


def _close(producer: Producer, timeout: float) -> None:
    """Close *producer*; again, if its thread was faster than the call that was to wake it."""
    try:
        producer.close(timeout=timeout)
    except CLOSED_MEANWHILE:
        producer.close(timeout=timeout)


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, KafkaError) and bool(getattr(error, "retriable", False)) and not is_too_large(error)


def open_outbox(
    who: str,
    make_producer: Callable[..., Producer],
    config: Mapping[str, Any],
    topics: Collection[str],
    timeout_ms: float,
    clock: Callable[[], float],
) -> Outbox:
    """Connect, and make sure that *topics* exist and may be described.

    :param who: the plugin, for messages.
    :param make_producer: called with the settings of a ``KafkaProducer``; returns one.
    :param config: these settings, as `producer_config` returns them.
    :param topics: which topics will be written to, as far as they are known.
    :param timeout_ms: most milliseconds one record may take, tries together.
    :param clock: monotonic seconds.
    :raises ConfigurationError: the cluster or one of the topics cannot be reached; its cause is kafka-python's error.
    """
    outbox = _connected(who, make_producer, config, timeout_ms, clock)
    try:
        for topic in topics:
            outbox.check(who, topic)
    except ConfigurationError:
        outbox.close()
        raise
    return outbox


def _connected(
    who: str,
    make_producer: Callable[..., Producer],
    config: Mapping[str, Any],
    timeout_ms: float,
    clock: Callable[[], float],
) -> Outbox:
    try:
        return Outbox(lambda: make_producer(**config, key_serializer=ExactBytes()), timeout_ms, clock)
    except FAILURES as error:
        raise ConfigurationError(
            f"{owner(who)} cannot start its producer ({error!r}): check the consumer's connection "
            f"settings and the plugin's producer_config; together they set {', '.join(sorted(config))}"
        ) from error
