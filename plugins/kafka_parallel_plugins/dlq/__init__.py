"""What happens to a record that nobody will try again: it is written to a dead letter topic, then it is finished.

The record counts as finished only after the broker has acknowledged the dead letter. If that fails, the plugin says
`Halt`: run() stops and the record, uncommitted, is processed again by the next run. A dead letter can thus be
written twice (its answer was lost, or the process died before the commit), but never not at all.

The producer is opened in ``on_start``, and dead letter topics that are known by then are looked up. That costs one
connection even if nothing ever fails; opened at the first failure instead, a misspelt topic or a missing permission
would turn the first bad record into a halt, at night, rather than stop a deployment.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from kafka import KafkaProducer

from kafka_parallel import ConfigurationError, Halt, Settings, Skip, StateError, hookimpl
from kafka_parallel_plugins.dlq.config import check_overrides, producer_config
from kafka_parallel_plugins.dlq.headers import dead_letter_headers
from kafka_parallel_plugins.dlq.producer import FAILURES, Outbox, Producer, open_outbox
from kafka_parallel_plugins.dlq.topics import DeadLetterTopics, own_topic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kafka_parallel import RecordContext

__all__ = ["DeadLetterQueue"]

log = logging.getLogger(__name__)


class DeadLetterQueue:
    """Writes failed records to a dead letter topic: original bytes, key and headers, plus headers that say why.

    The headers are those of KIP-1191 (``__dlq.errors.*``) and of Spring Kafka (``kafka_dlt-*``). Every error is
    answered; plugins that would rather retry are asked before this one, whatever the order they are named in.

    Threads: ``on_error`` may run on any number of workers at once; they share one producer.

    :param topic: where all dead letters go; ``None`` means ``<topic>-dlq`` for each topic.
    :param timeout_ms: most milliseconds one dead letter may take until the broker's answer.
    :param producer_config: settings of ``KafkaProducer`` that differ from the consumer's connection and security
        settings, which are taken over.
    :param make_producer: called with the producer's settings; for tests and for instrumented producers.
    :raises ConfigurationError: a setting cannot work.
    """

    def __init__(
        self,
        *,
        topic: str | None = None,
        timeout_ms: float = 30_000,
        producer_config: Mapping[str, Any] | None = None,
        make_producer: Callable[..., Producer] = KafkaProducer,
    ) -> None:
        if not isinstance(timeout_ms, int | float) or not 0 < timeout_ms < float("inf"):
            raise ConfigurationError(f"timeout_ms of plugin dlq is {timeout_ms!r}: set a number above 0, not infinite")
        check_overrides(producer_config or {})
        self._topics = DeadLetterTopics(topic)
        self._timeout_ms = timeout_ms
        self._overrides = dict(producer_config or {})
        self._make_producer = make_producer
        self._running: tuple[Settings, Outbox] | None = None

    def __repr__(self) -> str:
        names = sorted(self._overrides)
        return (
            f"DeadLetterQueue(topic={self._topics.fixed!r}, timeout_ms={self._timeout_ms!r}, producer_config={names})"
        )

    @hookimpl
    def on_start(self, context: Settings) -> None:
        """Refuse topics that the consumer reads itself, connect, and look the topics up.

        :raises ConfigurationError: naming the topic and what to do.
        """
        topics = self._topics.check(context)
        config = producer_config(context.consumer_config, self._overrides, self._timeout_ms)
        outbox = open_outbox(self._make_producer, config, topics, self._timeout_ms / 1000, context.clock)
        self._running = (context, outbox)

    @hookimpl(trylast=True)
    def on_error(self, error: Exception, context: RecordContext) -> Skip | Halt:
        """Write the dead letter: `Skip` with the broker's answer, `Halt` without it.

        :raises StateError: the consumer was not started.
        """
        if self._running is None:
            raise StateError("plugin dlq was asked about a failed record before on_start")
        settings, outbox = self._running
        topic = self._topics.of(context.raw.topic)
        if settings.reads(topic):
            return Halt(own_topic(topic))
        return self._write(outbox, topic, error, context, settings.group_id)

    @hookimpl
    def on_stop(self) -> None:
        """Close the producer."""
        if self._running is not None:
            _, outbox = self._running
            self._running = None
            outbox.close()

    def _write(
        self, outbox: Outbox, topic: str, error: Exception, context: RecordContext, group_id: str | None
    ) -> Skip | Halt:
        raw, name = context.raw, type(error).__name__
        try:
            written = outbox.write(topic, raw, dead_letter_headers(error, context, group_id))
        except FAILURES as failure:
            return Halt(
                f"{name}, and topic {topic!r} did not acknowledge its dead letter (timeout_ms={self._timeout_ms:g}, "
                f"{failure!r}): check that the topic exists, may be written and takes records "
                "of this size"
            )
        place = f"{written.topic}[{written.partition}]@{written.offset}"
        log.warning("%s[%d]@%d failed with %s: dead letter %s", raw.topic, raw.partition, raw.offset, name, place)
        return Skip(f"{name}: dead letter {place}")
