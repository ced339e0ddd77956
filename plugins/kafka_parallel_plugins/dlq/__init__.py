"""Dead letters: a record that is not tried again is written to a dead-letter topic, then it is finished.

The record counts as finished only after the broker has acknowledged the dead letter. If that fails, the plugin says
`Halt`: run() stops and the record, uncommitted, is processed again by the next run. A dead letter can thus be
written twice (its answer was lost, or the process died before the commit), but never not at all.

A dead letter that is too large for its topic is tried again with less: a short stack trace, none, no value. So a record
that only just fitted into its own topic does not stop the consumer.

The producer is opened in ``on_start``, and dead-letter topics that are known by then are looked up. That costs one
connection even if nothing ever fails; opened at the first failure instead, a misspelt topic or a missing permission
would turn the first bad record into a halt, at night, rather than stop a deployment.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kafka import KafkaProducer

from kafka_parallel import ConfigurationError, Halt, Retry, Settings, Skip, StateError, hookimpl
from kafka_parallel.logs import RecordInfo
from kafka_parallel.outbox import (
    FAILURES,
    Outgoing,
    Producer,
    Writer,
    Writers,
    Written,
    check_overrides,
    is_too_large,
    open_writers,
    place_of,
)
from kafka_parallel.plugin_support import class_name, get_logger, shown
from kafka_parallel.topic_needs import TopicNeed
from kafka_parallel_plugins.dlq.error_details import (
    SHORT_STACK_TRACE_BYTES,
    STACK_TRACE_BYTES,
    STACK_TRACES,
    details_of,
)
from kafka_parallel_plugins.dlq.headers import DIALECTS, VALUE_OMITTED, Letterhead
from kafka_parallel_plugins.dlq.limit import DlqLimit, LimitWatch
from kafka_parallel_plugins.dlq.origin import origin
from kafka_parallel_plugins.dlq.topics import DeadLetterTopics, own_topic_message

if TYPE_CHECKING:
    from kafka_parallel import RecordContext

__all__ = ["DeadLetterQueue", "DlqLimit"]

log = get_logger(__name__)

# The bytes that a dead letter may be larger than its record; docs/reference/plugins-dlq.md says so.
LARGER_BYTES = 12_000
# Bytes of stack trace in a dead letter, each if the one before was too large.
STACK_TRACE_LADDER = (STACK_TRACE_BYTES, SHORT_STACK_TRACE_BYTES, 0)


class DeadLetterQueue:
    """Writes failed records to a dead-letter topic: original bytes, key and headers, plus headers that say why.

    Every error is answered; plugins that would rather retry are asked before this one, whatever the order they are
    named in.

    Threads: ``on_error`` may run on any number of workers at once; they share one producer.

    :param topic: where all dead letters go; ``None`` means ``<topic>-dlq`` for each topic.
    :param dialects: which headers say why: ``"kafka"`` (KIP-1191), ``"spring"``, ``"connect"``.
    :param headers: names of the record's headers that are copied; ``None`` copies all.
    :param stack_trace: ``"full"``, ``"off"``, or ``"redacted"``: neither error texts nor source lines, for topics whose
        readers may not see the data.
    :param limit: a `DlqLimit`; above it the consumer stops instead of draining its topics into dead letters.
    :param timeout_ms: most milliseconds one dead letter may take until the broker's answer.
    :param producer_config: settings of ``KafkaProducer`` that differ from the consumer's connection and security
        settings, which are taken over.
    :param make_producer: called with the producer's settings; for tests and for instrumented producers.
    :raises ConfigurationError: a setting cannot work.
    """

    serves_one_run = True

    def __init__(
        self,
        *,
        topic: str | None = None,
        dialects: Collection[str] = ("kafka", "spring"),
        headers: Collection[str] | None = None,
        stack_trace: str = "full",
        limit: DlqLimit | None = None,
        timeout_ms: float = 30_000,
        producer_config: Mapping[str, Any] | None = None,
        make_producer: Callable[..., Producer] = KafkaProducer,
    ) -> None:
        _check(timeout_ms, stack_trace, limit)
        check_overrides("dlq", producer_config or {})
        self._dialects, self._kept = _dialects(dialects), _names(headers)
        self._stack_trace = stack_trace
        self._watch = None if limit is None else LimitWatch(limit)
        if self._watch is not None:  # without a limit no wrapper slows records down that do not fail
            self.on_record = self._watch.on_record
        self._topics = DeadLetterTopics(topic)
        self._timeout_ms = timeout_ms
        self._overrides = dict(producer_config or {})
        self._make_producer = make_producer
        self._running: tuple[Settings, Writers, Letterhead] | None = None

    def topic_needs(self, settings: Settings) -> list[TopicNeed]:
        """Tell the dead-letter topics of topics that are subscribed to by name, for ``kafka-parallel check``.

        :param settings: of the consumer.
        :raises ConfigurationError: a run with these would not start.
        """
        self._check_consumer(settings)
        return [
            TopicNeed(topic=self._topics.of(source), source=source, extra_bytes=LARGER_BYTES)
            for source in sorted(settings.topics)
        ]

    def __repr__(self) -> str:
        names = sorted(self._overrides)
        return (
            f"DeadLetterQueue(topic={self._topics.fixed!r}, timeout_ms={self._timeout_ms!r}, producer_config={names})"
        )

    @hookimpl
    def on_start(self, settings: Settings) -> None:
        """Refuse topics that the consumer reads itself, connect, and look the topics up.

        :raises ConfigurationError: with the topic and the remedy.
        """
        topics = self._check_consumer(settings)
        if settings.group_id is None:
            log.warning("plugin dlq: without a group_id nothing is committed, and each start writes the same dead "
                        "letters again: give the KafkaConsumer a group_id")  # fmt: skip
        letterhead = Letterhead(self._dialects, self._kept, settings.group_id)
        writers = open_writers("dlq", self._make_producer, self._overrides, topics, self._timeout_ms, settings)
        self._running = (settings, writers, letterhead)

    def _check_consumer(self, settings: Settings) -> list[str]:
        """Return the dead-letter topics that are known.

        :raises ConfigurationError: there are no bytes to write, or the consumer reads one of the topics itself.
        """
        if not settings.has_raw_bytes:
            raise ConfigurationError(
                "plugin dlq writes the bytes of a record, but with lazy_deserialization=False the consumer has only "
                "its objects: leave lazy_deserialization on"
            )
        return self._topics.check(settings)

    @hookimpl(wrapper=True)
    def on_error(
        self, error: BaseException, context: RecordContext
    ) -> Generator[None, Retry | Skip | Halt | None, Retry | Skip | Halt]:
        """Ask all others first, whatever the order they are named in; see `bury` if none of them answers."""
        if self._watch is not None:
            self._watch.failed(context)
        answer = yield
        return self.bury(error, context) if answer is None else answer

    def bury(self, error: BaseException, context: RecordContext) -> Skip | Halt:
        """Write the dead letter of a record and return the verdict: `Skip` with the broker's answer, `Halt` without it.

        :param error: why the record failed.
        :param context: the attempt that failed.
        :raises StateError: the consumer was not started.
        """
        if self._running is None:
            raise StateError("plugin dlq was asked about a failed record before on_start")
        settings, writers, letterhead = self._running
        topic = self._topics.of(settings.sources.get(context.raw.topic, context.raw.topic))
        if settings.reads(topic):
            return Halt(own_topic_message(topic))
        exceeded = None if self._watch is None else self._watch.exceeded(context)
        if exceeded is not None:
            return Halt(f"{exceeded}: this looks like more than a few bad records, so nothing more is dead-lettered")
        return self._write(writers.writer_for(context), letterhead, topic, error, origin(context, settings))

    @hookimpl
    def on_stop(self, settings: Settings) -> None:
        """Close the producer of this run; that of another run goes on."""
        if self._running is not None and self._running[0] is settings:
            _, writers, _ = self._running
            self._running = None
            writers.close()

    def _write(
        self, outbox: Writer, letterhead: Letterhead, topic: str, error: BaseException, context: RecordContext
    ) -> Skip | Halt:
        raw, name = context.raw, class_name(error)
        try:
            written = self._write_what_fits(outbox, letterhead, topic, error, context)
        except FAILURES as failure:
            return Halt(
                f"{name}, and topic {topic!r} did not acknowledge its dead letter (timeout_ms={self._timeout_ms:g}, "
                f"{failure!r}): check that the topic exists, may be written and takes records "
                "of this size"
            )
        place = place_of(written)
        log.warning("%s[%d]@%d failed with %s: dead letter %s", raw.topic, raw.partition, raw.offset, name, place,
                    extra=self._log_fields(context))  # fmt: skip
        return Skip(f"{name}: dead letter {place}", written_to=written.topic)

    # see docs/decisions/0024-own-producer-for-large-letters.md
    def _write_what_fits(
        self, outbox: Writer, letterhead: Letterhead, topic: str, error: BaseException, context: RecordContext
    ) -> Written:
        """Write the whole dead letter, or as much of it as the topic takes."""
        letters = self._letters(letterhead, topic, error, context)
        whole = next(letters)
        try:
            return outbox.write(whole)
        except FAILURES as failure:
            if not is_too_large(failure):
                raise
        raw = context.raw
        letter, written = _write_largest(outbox, whole, letters)
        if letter.value is not raw.value:
            log.error("%s[%d]@%d is too large for topic %s: its dead letter has no value, only the record has",
                      raw.topic, raw.partition, raw.offset, topic, extra=self._log_fields(context))  # fmt: skip
        return written

    def _log_fields(self, context: RecordContext) -> dict[str, str | int | None]:
        group = None if self._running is None else self._running[0].group_id
        return RecordInfo.of(context.raw, group, context.attempt).fields()

    def _letters(
        self, letterhead: Letterhead, topic: str, error: BaseException, context: RecordContext
    ) -> Iterator[Outgoing]:
        """Make the dead letter with all there is to tell, then with less and less."""
        raw, details = context.raw, details_of(error, self._stack_trace)
        for trace_bytes in STACK_TRACE_LADDER:
            headers = letterhead.of(details.shortened(trace_bytes), context)
            yield Outgoing(topic, raw.partition, raw.key, raw.value, headers)
        if raw.value is not None:
            omitted = (VALUE_OMITTED, str(len(raw.value)).encode())
            yield Outgoing(topic, raw.partition, raw.key, None, [*headers, omitted])


def _check(timeout_ms: float, stack_trace: object, limit: object) -> None:
    is_number = isinstance(timeout_ms, int | float) and not isinstance(timeout_ms, bool)
    if not is_number or not 0 < timeout_ms < float("inf"):
        raise ConfigurationError(f"timeout_ms of plugin dlq is {shown(timeout_ms)}: set a finite number above 0")
    if stack_trace not in STACK_TRACES:
        raise ConfigurationError(
            f"stack_trace of plugin dlq is {shown(stack_trace)}: known are {', '.join(STACK_TRACES)}"
        )
    if limit is not None and not isinstance(limit, DlqLimit):
        raise ConfigurationError(f"limit of plugin dlq is {shown(limit)}: give a DlqLimit")


def _write_largest(outbox: Writer, letter: Outgoing, smaller: Iterator[Outgoing]) -> tuple[Outgoing, Written]:
    """Write *letter*, or the first of the *smaller* ones that the topic takes; return it with the broker's answer."""
    while True:
        try:
            return letter, outbox.write_alone(letter)
        except FAILURES as failure:
            following = next(smaller, None)
            if following is None or not is_too_large(failure):
                raise
            letter = following


def _dialects(given: Collection[str]) -> tuple[str, ...]:
    if not isinstance(given, Collection):
        raise ConfigurationError(f"dialects of plugin dlq is {shown(given)}: name one or more of {', '.join(DIALECTS)}")
    chosen = (given,) if isinstance(given, str) else tuple(given)
    for dialect in chosen:
        if dialect not in DIALECTS:
            raise ConfigurationError(f"dialects of plugin dlq has {shown(dialect)}: known are {', '.join(DIALECTS)}")
    if not chosen:
        raise ConfigurationError(f"dialects of plugin dlq is {shown(given)}: name one or more of {', '.join(DIALECTS)}")
    return tuple(dialect for dialect in DIALECTS if dialect in chosen)


def _names(given: Collection[str] | None) -> frozenset[str] | None:
    if given is None:
        return None
    if isinstance(given, str) or not isinstance(given, Collection) or not all(isinstance(name, str) for name in given):
        raise ConfigurationError(f"headers of plugin dlq is {shown(given)}: give a list of names, or None for all")
    return frozenset(given)
