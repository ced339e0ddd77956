"""The values that travel between the consumer and its plugins.

All of them are immutable. One rule for times: a name that ends in ``_ms`` is in milliseconds, be it a duration or a
time since the Unix epoch. A moment without it (``queued_at``, ``failing_since``, the time of a clock) is in seconds, of
the consumer's monotonic clock unless the text says otherwise.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

from kafka_parallel._showing import shown
from kafka_parallel._suggestions import explains_options
from kafka_parallel.errors import ConfigurationError
from kafka_parallel.facts import Facts, NoFacts

if TYPE_CHECKING:
    import asyncio
    import re
    from contextlib import AbstractContextManager

    from kafka import TopicPartition
    from kafka.consumer.fetcher import ConsumerRecord

__all__ = [
    "AttemptScope",
    "BackpressureEvent",
    "Batch",
    "BatchContext",
    "ChildWrapper",
    "CommitContext",
    "DelayedTopics",
    "Halt",
    "Handled",
    "LeaveScope",
    "Ownership",
    "RecordContext",
    "Retry",
    "Settings",
    "Skip",
    "Stage",
    "Transactions",
]


@dataclass(frozen=True, slots=True)
class Retry:
    """Answer of ``on_error``: run the record again later; its worker is free meanwhile.

    :ivar delay_ms: milliseconds from now until then, 0 or more.
    :raises ConfigurationError: *delay_ms* is negative or not finite.
    """

    delay_ms: float = 0

    def __post_init__(self) -> None:
        delay: Any = self.delay_ms
        if type(delay) not in (int, float):  # a Decimal, a numpy number: the core computes with floats
            with suppress(TypeError, ValueError, OverflowError):
                object.__setattr__(self, "delay_ms", None if isinstance(delay, (str, bytes)) else float(delay))
        if not (isinstance(self.delay_ms, (int, float)) and 0 <= self.delay_ms <= sys.float_info.max):
            raise ConfigurationError(f"Retry(delay_ms={shown(delay)}): the delay must be 0 or more and finite")


@dataclass(frozen=True, slots=True)
class Skip:
    """Answer of ``on_error``: the record counts as finished although its handler failed.

    Of ``on_record`` and ``on_batch`` too, in the handler's place: the record counts as finished without it.

    :ivar reason: why, for those who read the log.
    :ivar written_to: the topic that has the record instead, acknowledged by the broker: a dead-letter topic, or a topic
        of ``Settings.sources``, from which it is tried again; ``None`` = no topic has it.
    """

    reason: str
    written_to: str | None = None


@dataclass(frozen=True, slots=True)
class Halt:
    """Answer of ``on_error``: stop run(); nothing at or above the record is committed in its partition.

    :ivar reason: why, for the message of `RecordFailed`.
    """

    reason: str


@explains_options
@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """How records are put together for a handler that takes a list of them.

    :ivar max_records: most records of a batch.
    :ivar max_wait_ms: milliseconds that a record waits for others before its batch is handed out although it is not
        full.
    :ivar max_bytes: most bytes of a batch (keys, values, headers); a record that is larger is a batch of its own.
    :ivar of: which records may be in a batch together: those of one ordering ``"key"``, of one ``"partition"``, or
        all (``"mixed"``). Records of one key keep their order in any case.
    :raises ConfigurationError: for a bound that cannot work, naming it.
    """

    max_records: int = 100
    max_wait_ms: float = 50
    max_bytes: int = 1024 * 1024
    of: Literal["key", "partition", "mixed"] = "mixed"

    def __post_init__(self) -> None:
        for name in ("max_records", "max_bytes"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigurationError(f"Batch({name}={shown(value)}): must be an integer of at least 1")
        wait = self.max_wait_ms
        if isinstance(wait, bool) or not isinstance(wait, (int, float)) or not 0 <= wait <= sys.float_info.max:
            raise ConfigurationError(
                f"Batch(max_wait_ms={shown(wait)}): must be a finite number of milliseconds, 0 or more"
            )
        if self.of not in ("key", "partition", "mixed"):
            raise ConfigurationError(f"Batch(of={shown(self.of)}): choose one of key, partition, mixed")


Stage: TypeAlias = Literal["prepare", "handle"]
"""How far an attempt got: ``"prepare"`` = the record could not be deserialised, or its ordering key not computed."""


class Ownership(Protocol):
    """One uninterrupted time in which a partition is this consumer's."""

    @property
    def live(self) -> bool:
        """True while it lasts: false, for good, once the partition has left, the consumer has stopped, or the program
        has jumped back in it."""

    def keeps(self, offset: int) -> bool:
        """Tell whether the outcome of its record at *offset* counts; a jump back to above it changes nothing."""


class RecordContext(NamedTuple):
    """One attempt at one record.

    :ivar raw: the record as Kafka delivered it, key and value still bytes.
    :ivar attempt: 1 for the first attempt.
    :ivar assignment_id: number of the assignment under which the record was taken, unique within this consumer.
    :ivar queued_at: when the record was taken from ``poll()``.
    :ivar first_failed_at_ms: when the first attempt failed, in milliseconds since the Unix epoch; ``None`` before that.
    :ivar failing_since: the same moment on the consumer's monotonic clock, to compute with.
    :ivar stage: ``"handle"``; in ``on_error`` ``"prepare"`` if the record never got to its handler because it could not
        be deserialised or its ordering key not be computed.
    :ivar assignment: under which the record was taken; ``None`` in another process, and in a context made by hand.
    """

    raw: ConsumerRecord
    attempt: int
    assignment_id: int
    queued_at: float
    first_failed_at_ms: float | None
    failing_since: float | None = None
    stage: Stage = "handle"
    assignment: Ownership | None = None

    @property
    def counts(self) -> bool:
        """True while the outcome counts: false once its partition has left, the consumer has stopped, or the program
        has jumped back to this record or before.

        Its record runs elsewhere then, or again here. ``on_error`` is not asked any more; a wrapper of ``on_record``
        that counts or writes something after the handler has to look here first. In another process it is always true:
        a process whose result is no longer wanted is ended.
        """
        return self.assignment is None or self.assignment.keeps(self.raw.offset)


@dataclass(frozen=True, slots=True)
class BatchContext:
    """One call of a handler that takes a list of records.

    :ivar attempts: the attempt at each record, in the order of the list.
    """

    attempts: tuple[RecordContext, ...]


ChildWrapper: TypeAlias = "Callable[..., AbstractContextManager[object]]"
"""Answer of ``provide_child_wrapper``: a function that returns the context manager to run the handler in, called with
the arguments of ``on_record``, or with those of ``on_batch`` if the handler takes lists."""


LeaveScope: TypeAlias = "Callable[[BaseException | None], None]"
"""Leaves the scope of an attempt: called with its error, or with ``None`` if there was none."""


AttemptScope: TypeAlias = "Callable[[ConsumerRecord, int, float, Ownership], LeaveScope | None]"
"""Answer of ``provide_attempt_scope``: a function that is called when an attempt begins, with bare facts about it: the
record as Kafka delivered it, the number of the attempt, when the record was taken from ``poll()`` (seconds of the
consumer's monotonic clock), and the assignment under which it was taken. It returns a function to be called when the
attempt has ended, or ``None`` if there is nothing to do then."""


Handled: TypeAlias = "tuple[ConsumerRecord, int, float, float, float, BaseException | None]"
"""One attempt that has ended and counts, for ``on_handled``: the record as Kafka delivered it, the number of the
attempt, when the record was taken from ``poll()``, when the attempt began and when it ended (seconds of the consumer's
monotonic clock), and the error it raised, or ``None``. It is a bare tuple because one is made for each record: with
names it costs twice as much to make, and ten times as much to take apart."""


@dataclass(frozen=True, slots=True)
class CommitContext:
    """Why a commit happens and how long it may take.

    :ivar reason: ``"interval"`` while running, ``"revoke"`` before partitions leave, ``"stop"`` at the end.
    :ivar timeout_ms: milliseconds until the commit counts as failed.
    :ivar group_metadata: a function that returns the membership under which the offsets are committed, for
        ``KafkaProducer.send_offsets_to_transaction()``. After a removal of the member or in a rebalance it raises the
        error by which the commit fails. ``None`` with kafka-python 2.x, which has none, and without a subscription.
    """

    reason: Literal["interval", "revoke", "stop"]
    timeout_ms: float
    group_metadata: Callable[[], Any] | None = field(default=None, repr=False, compare=False)


class Transactions(Protocol):
    """Answer of ``provide_transactions``: records that are written together with the offset of their record.

    They are written in the transaction that commits their record. If the record is processed again first, they are
    dropped. Any thread may call the methods.

    :ivar interval_ms: milliseconds between commits, in the place of the consumer's ``auto_commit_interval_ms``.
    """

    interval_ms: float

    def require_topic(self, topic: str) -> None:
        """Make sure that a topic can be written; from ``on_start`` on.

        :param topic: it.
        :raises ConfigurationError: it cannot.
        """

    def add_results(self, records: Sequence[Any], context: RecordContext) -> None:
        """Have the results of an attempt written, in the place of all that an earlier one had.

        They are forgotten if the attempt has failed, or fails after all.

        :param records: them, as `kafka_parallel.outbox.Outgoing`, in their order; empty for none.
        :param context: of the attempt.
        :raises ResultNotWritten: one is too large, or names a partition that its topic does not have.
        """

    def add_instead(self, record: Any, context: RecordContext) -> None:
        """Have a record written for one that has failed and is finished by that, such as a dead letter.

        :param record: it, as `kafka_parallel.outbox.Outgoing`.
        :param context: of the attempt that failed.
        :raises MessageSizeTooLargeError: it is too large.
        """


@dataclass(frozen=True, slots=True)
class BackpressureEvent:
    """Partitions were paused or resumed because of the records that are buffered.

    :ivar paused: partitions paused now, each with its `kafka_parallel.explanations.PauseReason`, or the name of the
        plugin whose throttle is closed.
    :ivar resumed: partitions resumed now.
    :ivar buffered_records: records taken and not finished, over all partitions.
    :ivar buffered_bytes: their keys, values and headers, in bytes.
    """

    paused: Mapping[TopicPartition, str]
    resumed: frozenset[TopicPartition]
    buffered_records: int
    buffered_bytes: int


@dataclass(frozen=True, slots=True)
class DelayedTopics:
    """Answer of ``provide_topics``: topics that the consumer reads too, and whose records may have to wait.

    :ivar sources: each of these topics, and the subscribed topic whose records it carries.
    :ivar delay_ms: from a record of them and the time now, in milliseconds since the Unix epoch, to the milliseconds
        that it has to wait; 0 or less = none. Its partition is paused so long. A record waits once, whatever the clock
        does meanwhile.
    :ivar original: from a raw record of them to the one that deserialisers and handlers see, as if it came from its
        source; ``None`` = as it is.
    """

    sources: Mapping[str, str]
    delay_ms: Callable[[ConsumerRecord, float], float]
    original: Callable[[ConsumerRecord], ConsumerRecord] | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """The facts about its consumer that a plugin may know.

    :ivar workers: most handlers that may run at once.
    :ivar group_id: the consumer group, or ``None``.
    :ivar topics: topics subscribed to or assigned by name; empty for a pattern.
    :ivar pattern: the subscribed pattern, or ``None``.
    :ivar consumer_config: the configuration of the wrapped ``KafkaConsumer``; it may hold passwords, so ``repr`` does
        not show it.
    :ivar sources: topics that a plugin had it read too, each with the topic whose records it carries.
    :ivar is_ordered: whether some records must run in order.
    :ivar has_raw_bytes: whether ``RecordContext.raw`` has bytes; false only where deserialisers ran in ``poll()``.
    :ivar handler_timeout_ms: milliseconds a handler may take, for executors that can stop one; ``None`` = as long as it
        likes.
    :ivar is_subscribed: whether partitions come by a subscription in a group; false with ``assign()``.
    :ivar transactions: set if a plugin provides it: records that a plugin writes for the record of an attempt, such as
        dead letters, go there and are committed together with it; ``None`` = send them at once.
    :ivar batch: how records are put together if the handler takes lists; ``None`` = it takes single records.
    :ivar event_loop: the running event loop of ``run_async()``, for executors; ``None`` in run() and start().
    :ivar deserialize: turns a raw record into the one the handler sees; raises the deserialiser's error.
    :ivar clock: the consumer's monotonic clock, in seconds.
    :ivar executor: the name of the plugin that provides the executor; empty in the provide-hooks.
    :ivar ordering: the name of the plugin that provides the ordering, ``"function"`` for one of the user, or
        ``"unordered"``; empty in the provide-hooks.
    :ivar facts: the counts of the run, the progress of its partitions and the work of its workers, to be asked for from
        any thread; they know nothing in settings that were made by hand.
    """

    workers: int
    group_id: str | None
    topics: frozenset[str]
    pattern: re.Pattern[str] | None
    sources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    is_ordered: bool = True
    has_raw_bytes: bool = True
    handler_timeout_ms: float | None = None
    batch: Batch | None = None
    event_loop: asyncio.AbstractEventLoop | None = field(default=None, repr=False)
    consumer_config: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    deserialize: Callable[[ConsumerRecord], ConsumerRecord] = field(default=lambda record: record, repr=False)
    clock: Callable[[], float] = field(default=lambda: 0.0, repr=False)
    executor: str = ""
    ordering: str = ""
    is_subscribed: bool = True
    transactions: Transactions | None = field(default=None, repr=False, compare=False)
    facts: Facts = field(default_factory=NoFacts, repr=False, compare=False)

    def reads(self, topic: str) -> bool:
        """Tell whether records of *topic* come to this consumer: subscribed, matched by the pattern, or of a plugin."""
        return (
            topic in self.topics
            or topic in self.sources
            or (self.pattern is not None and self.pattern.match(topic) is not None)
        )
