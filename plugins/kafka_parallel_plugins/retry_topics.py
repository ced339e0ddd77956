"""How a failed record is tried again later without holding anything up: it is written to a topic that is read later.

For work without order. Each delay has a topic, ``<topic>-<group>-retry-0``, ``-1``, ..., that the same consumer reads
too; the group is in its name because another group that reads the topic has not failed. A record that fails is written
to the next one and then counts as finished; the partition of a retry topic is paused until its next record is due.
After the last topic the next plugin is asked, ``dlq`` for example. Other than with ``retry``, waiting records are not
in memory, do not hold back commits, and survive a restart with their attempts.

The headers are those of Spring Kafka's retry topics, so either side can take over from the other:
``retry_topic-attempts`` (4 bytes, big-endian: the number of the attempt to come), ``retry_topic-original-timestamp``
and ``retry_topic-backoff-timestamp`` (milliseconds since the Unix epoch, as few bytes of two's complement as it
takes), and ``kafka_original-*`` for the place it was first read at (``RetryTopicHeaders``, ``KafkaHeaders``).

The handler sees the record as it was first read: topic, partition, offset, timestamp, and headers without a value. So a
table of handlers by topic works, and so does a record of handled places. The place where it was read now is in
``context.raw``.

The configuration tells the topic; partition, offset and timestamp are claims of the headers, or -1. Nothing else
depends on them: the attempt is the topic's number, and no record waits longer than the delay of its topic.
(CVE-2026-41727 is the result of trusting them.)
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from kafka import KafkaProducer

from kafka_parallel import ConfigurationError, DelayedTopics, Halt, Settings, Skip, StateError, hookimpl
from kafka_parallel.dlq import parse
from kafka_parallel.dlq.null_headers import marked, restored
from kafka_parallel.logs import RecordInfo
from kafka_parallel.outbox import (
    FAILURES,
    Outgoing,
    Producer,
    Writers,
    Written,
    check_overrides,
    open_writers,
    place_of,
)
from kafka_parallel.plugin_support import class_name, get_logger, shown
from kafka_parallel.topic_needs import TopicNeed

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord

    from kafka_parallel import RecordContext

__all__ = ["RetryTopics"]

log = get_logger(__name__)

ATTEMPTS, ORIGINAL_TIMESTAMP, BACKOFF_TIMESTAMP = (
    "retry_topic-attempts",
    "retry_topic-original-timestamp",
    "retry_topic-backoff-timestamp",
)
ORIGINAL = "kafka_original-"
OURS = (ATTEMPTS, ORIGINAL_TIMESTAMP, BACKOFF_TIMESTAMP)
NAME = "retry-topics"
# The headers of a record in a retry topic: its place, its times, and the name of a topic.
LARGER_BYTES = 1_000
TOPIC_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
Header: TypeAlias = "tuple[str, bytes | None]"


# see docs/decisions/0025-retry-topics-same-consumer.md
class RetryTopics:
    """Writes failed records to retry topics, reads them again when they are due.

    Threads: ``on_error`` may run on any number of workers at once; they share one producer. ``delay_ms`` runs on the
    loop.

    :param delays_ms: milliseconds before the second attempt, the third, ...; one retry topic for each.
    :param name: the name of a retry topic, with ``{topic}``, ``{number}`` and ``{group}``; without the group in it,
        every group that reads the topic handles the failures of all. Spring Kafka's default is
        ``"{topic}-retry-{number}"``.
    :param retry_on: exception classes that are tried again.
    :param timeout_ms: most milliseconds one write may take until the broker's answer.
    :param producer_config: settings of ``KafkaProducer`` that differ from the consumer's connection and security
        settings, which are taken over.
    :param make_producer: called with the producer's settings; for tests and for instrumented producers.
    :param wall_clock: returns seconds since the Unix epoch; for tests.
    :raises ConfigurationError: a setting cannot work.
    """

    serves_one_run = True

    def __init__(
        self,
        *,
        delays_ms: Sequence[float] = (1_000, 10_000, 60_000),
        name: str = "{topic}-{group}-retry-{number}",
        retry_on: Sequence[type[Exception]] = (Exception,),
        timeout_ms: float = 30_000,
        producer_config: Mapping[str, Any] | None = None,
        make_producer: Callable[..., Producer] = KafkaProducer,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        _check(delays_ms, retry_on, timeout_ms)
        _check_name(name)
        check_overrides(NAME, producer_config or {})
        self._delays_ms = tuple(delays_ms)
        self._name = name
        self._retry_on = tuple(retry_on)
        self._timeout_ms = timeout_ms
        self._overrides = dict(producer_config or {})
        self._make_producer = make_producer
        self._wall = wall_clock
        self._steps: dict[str, tuple[str, int]] = {}
        self._topics: dict[tuple[str, int], str] = {}
        self._writers: Writers | None = None
        self._group: str | None = None

    def topic_needs(self, settings: Settings) -> list[TopicNeed]:
        """Tell the retry topics, for ``kafka-parallel check``.

        :param settings: of the consumer.
        :raises ConfigurationError: a run with these would not start.
        """
        _check_consumer(settings)
        return [
            TopicNeed(
                topic=_topic(self._name, source, number, str(settings.group_id)), source=source,
                extra_bytes=LARGER_BYTES, is_read=True, kept_ms=delay_ms,
            )
            for source in sorted(settings.topics)
            for number, delay_ms in enumerate(self._delays_ms)
        ]  # fmt: skip

    @hookimpl
    def provide_topics(self, settings: Settings) -> DelayedTopics:
        """Have the retry topics of all subscribed topics read too.

        :raises ConfigurationError: records have an order, there is no group, or a retry topic is subscribed to already.
        """
        _check_consumer(settings)
        steps = [(topic, number) for topic in sorted(settings.topics) for number in range(len(self._delays_ms))]
        self._topics = {step: _topic(self._name, *step, str(settings.group_id)) for step in steps}
        self._steps = {name: step for step, name in self._topics.items()}
        for name in self._steps:
            if name in settings.topics:
                raise ConfigurationError(
                    f"plugin {NAME} reads topic {name!r} itself, and the consumer is subscribed to it as well: leave "
                    "it out of the subscription"
                )
        sources = {name: topic for name, (topic, _) in self._steps.items()}
        return DelayedTopics(sources, self._delay_ms, self._original)

    @hookimpl
    def on_start(self, settings: Settings) -> None:
        """Connect, and look the retry topics up.

        :raises ConfigurationError: one of them cannot be reached.
        """
        self._group = settings.group_id
        topics = sorted(self._steps)
        self._writers = open_writers(NAME, self._make_producer, self._overrides, topics, self._timeout_ms, settings)

    @hookimpl(trylast=True)
    def on_error(self, error: BaseException, context: RecordContext) -> Skip | Halt | None:
        """Write the record to the next retry topic: `Skip` with the broker's answer, `Halt` without it.

        :raises StateError: the consumer was not started.
        """
        if self._writers is None:
            raise StateError(f"plugin {NAME} was asked about a failed record before on_start")
        raw = context.raw
        source, step = self._next(raw.topic)
        if step == len(self._delays_ms) or context.stage != "handle" or not isinstance(error, self._retry_on):
            return None
        topic, name = self._topics[source, step], class_name(error)
        try:
            written = self._writers.writer_for(context).write(
                Outgoing(topic, raw.partition, raw.key, raw.value, self._headers(raw, step))
            )
        except FAILURES as failure:
            return Halt(f"{name}, and retry topic {topic!r} did not acknowledge the record ({failure!r})")
        return self._put_off(context, name, step, written)

    def _put_off(self, context: RecordContext, name: str, step: int, written: Written) -> Skip:
        """Say that the record of *context*, which failed with the error *name*, comes again from a retry topic."""
        raw = context.raw
        place = place_of(written)
        log.info("%s[%d]@%d failed with %s: it will be processed again in %g ms, from %s",
                 raw.topic, raw.partition, raw.offset, name, self._delays_ms[step], place,
                 extra=RecordInfo.of(raw, self._group, context.attempt).fields())  # fmt: skip
        return Skip(f"{name}: to be tried again from {place}", written_to=written.topic)

    @hookimpl
    def on_stop(self) -> None:
        """Close the producer that writes to the retry topics."""
        if self._writers is not None:
            self._writers.close()
            self._writers = None

    def _next(self, topic: str) -> tuple[str, int]:
        """The subscribed topic that a record of *topic* belongs to, and the number of the next retry topic."""
        source, number = self._steps.get(topic, (topic, -1))
        return source, number + 1

    def _delay_ms(self, record: ConsumerRecord, now_ms: float) -> float:
        """How long *record* has to wait: until the time in its header, never longer than its topic's delay."""
        _, number = self._steps[record.topic]
        most = self._delays_ms[number]
        due_ms = parse((name, value) for name, value in record.headers if name == BACKOFF_TIMESTAMP).due_at_ms
        return most if due_ms is None else min(due_ms - now_ms, most)

    def _original(self, raw: ConsumerRecord) -> ConsumerRecord:
        """The record with the topic, partition and offset of its first attempt."""
        says = parse((name, value) for name, value in raw.headers if name.startswith((ORIGINAL, *OURS)))
        is_known = says.partition is not None and says.offset is not None
        return raw._replace(
            topic=self._steps[raw.topic][0],
            partition=says.partition if is_known else -1,
            offset=says.offset if is_known else -1,
            timestamp=raw.timestamp if says.timestamp_ms is None else says.timestamp_ms,
            headers=restored(raw.headers),
        )

    def _headers(self, raw: ConsumerRecord, step: int) -> list[tuple[str, bytes]]:
        kept, written_at_ms = _first(raw) if raw.topic not in self._steps else _repeated(raw)
        timestamp = written_at_ms or max(raw.timestamp or 0, 0)
        return [
            *marked(kept),
            (ATTEMPTS, (step + 2).to_bytes(4, "big")),
            (ORIGINAL_TIMESTAMP, _big_integer(timestamp)),
            (BACKOFF_TIMESTAMP, _big_integer(round(self._wall() * 1000 + self._delays_ms[step]))),
        ]


def _first(raw: ConsumerRecord) -> tuple[list[Header], int | None]:
    """The headers of a record that was never in a retry topic: with its place; and no other time than its own."""
    kept = [(name, value) for name, value in raw.headers if name not in OURS and not name.startswith(ORIGINAL)]
    return kept + _place(raw), None


def _repeated(raw: ConsumerRecord) -> tuple[list[Header], int | None]:
    """The headers of a record of a retry topic, and the time that it had where it was first read."""
    says = parse((name, value) for name, value in raw.headers if name.startswith((ORIGINAL, *OURS)))
    return [(name, value) for name, value in restored(raw.headers) if name not in OURS], says.timestamp_ms


def _check_name(name: object) -> None:
    wrong = f"name of plugin {NAME} is {shown(name)}: it "
    if not isinstance(name, str):
        raise ConfigurationError(wrong + "must be a text with {topic} and {number} in it")
    try:
        names = {name.format(topic=topic, number=number, group="") for topic in "ab" for number in range(2)}
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise ConfigurationError(wrong + "may have {topic}, {number} and {group} in it, no other braces") from error
    if len(names) < 4:
        raise ConfigurationError(wrong + "must have {topic} and {number} in it, or two retry topics have one name")


def _topic(name: str, topic: str, number: int, group: str) -> str:
    """The name of a retry topic.

    :raises ConfigurationError: it is none that a topic may have.
    """
    made = name.format(topic=topic, number=number, group=group)
    if TOPIC_NAME.fullmatch(made) is None:
        raise ConfigurationError(
            f"plugin {NAME} would call a retry topic {made!r}, and a topic has at most 249 letters, digits, '.', '_' "
            "and '-': choose another name=, with {topic} and {number} in it and a word for the group"
        )
    return made


def _place(raw: ConsumerRecord) -> list[Header]:
    return [
        (ORIGINAL + "topic", raw.topic.encode()),
        (ORIGINAL + "partition", raw.partition.to_bytes(4, "big")),
        (ORIGINAL + "offset", raw.offset.to_bytes(8, "big")),
        (ORIGINAL + "timestamp", max(raw.timestamp or 0, 0).to_bytes(8, "big")),
    ]


def _big_integer(number: int) -> bytes:
    """Write a number that is not negative as Java's ``BigInteger.toByteArray()`` does."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)


def _check(delays_ms: object, retry_on: object, timeout_ms: object) -> None:
    _check_delays(delays_ms)
    if not _is_duration(timeout_ms, least=1):
        raise ConfigurationError(f"timeout_ms of plugin {NAME} is {shown(timeout_ms)}: set a finite number, 1 or more")
    for found in retry_on if isinstance(retry_on, Sequence) else (retry_on,):
        if not isinstance(found, type) or not issubclass(found, Exception):
            raise ConfigurationError(f"retry_on of plugin {NAME} has {shown(found)}: give subclasses of Exception")


def _check_delays(delays_ms: object) -> None:
    if isinstance(delays_ms, (str, bytes)) or not isinstance(delays_ms, Sequence) or not delays_ms:
        raise ConfigurationError(
            f"delays_ms of plugin {NAME} is {shown(delays_ms)}: give one delay for each further attempt"
        )
    for delay_ms in delays_ms:
        if not _is_duration(delay_ms, least=0):
            raise ConfigurationError(
                f"delays_ms of plugin {NAME} has {shown(delay_ms)}: a delay is 0 or more milliseconds, finite"
            )


def _is_duration(value: object, least: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value < float("inf")


def _check_consumer(settings: Settings) -> None:
    if settings.is_ordered:
        raise ConfigurationError(
            f"plugin {NAME} lets later records overtake a failed one, so it needs ordering='unordered': to keep an "
            "order, use the plugin retry"
        )
    if settings.group_id is None:
        raise ConfigurationError(f"plugin {NAME} needs a consumer group: without one, retries are not committed")
    if settings.pattern is not None or not settings.topics:
        raise ConfigurationError(f"plugin {NAME} needs topics subscribed to by name, to know its retry topics")
    if not settings.has_raw_bytes:
        raise ConfigurationError(
            f"plugin {NAME} writes the bytes of a record: leave the consumer's lazy_deserialization on"
        )
