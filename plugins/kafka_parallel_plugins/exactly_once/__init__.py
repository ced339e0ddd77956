"""Results, dead letters and offsets in one transaction: readers with read_committed see each result once.

Handlers return results (`producing`), and nothing is sent while they run. At each commit one transaction has the
results of all records below the committed offsets, and the offsets. So either both are there or none; a crash, an
abort or a lost partition has the records run again, and none of their earlier results is ever seen. A member that is
not one any more is refused by the coordinator (KIP-447), and its transaction aborted.

The transaction is made on the thread that commits, by ``on_commit`` in the consumer's place. No lock is held meanwhile,
and handlers run on.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kafka import KafkaProducer
from kafka.errors import MessageSizeTooLargeError

from kafka_parallel import CommitContext, ConfigurationError, ResultNotWritten, Settings, StateError, hookimpl
from kafka_parallel.outbox import FAILURES, ExactBytes, UnknownPartition, close_producer, partition_of, producer_config
from kafka_parallel.plugin_support import get_logger
from kafka_parallel.topic_needs import TopicNeed
from kafka_parallel_plugins.exactly_once.pending_results import PendingResults, size_of
from kafka_parallel_plugins.exactly_once.requirements import check_consumer, check_settings, claim_id, release_id
from kafka_parallel_plugins.exactly_once.run_transactions import NAME, RunTransactions

if TYPE_CHECKING:
    from kafka import OffsetAndMetadata, TopicPartition

    from kafka_parallel import RecordContext, Throttle
    from kafka_parallel.outbox import Outgoing

__all__ = ["ExactlyOnce"]

log = get_logger(__name__)

# The room that a record takes beside its bytes, in the producer's view.
OVERHEAD = 200
# Records per second that start while too many results wait. Not 0: the record below the waiting results must be able to
# run, or they wait for ever.
SLOW_RATE = 10.0


# see docs/decisions/0085-results-and-offsets-in-one-transaction.md
class ExactlyOnce:
    """Writes the results of records and their offsets in one transaction.

    Threads: results are added on any number of workers; the transaction is made on the thread that commits.

    :param transactional_id: of the producer; it must be unique among all that run. ``None`` = a new one each time. One
        of your own lets a restarted process end the transaction of its predecessor at once.
    :param interval_ms: milliseconds between transactions, in the place of ``auto_commit_interval_ms``.
    :param transaction_timeout_ms: milliseconds after which the coordinator ends a transaction of a process that is
        gone; at most a third of the consumer's ``max_poll_interval_ms``. So long may
        read_committed readers have to wait for it.
    :param max_result_bytes: most bytes of uncommitted results; above that, records start one at a time, ten a second.
    :param producer_config: settings of ``KafkaProducer`` that differ from the consumer's connection and security
        settings, which are taken over. A result larger than its ``max_request_size`` fails its record.
    :param make_producer: called with the producer's settings; for tests and for instrumented producers.
    :raises ConfigurationError: a setting cannot work.
    """

    # see docs/decisions/0077-offset-map.md: a map beside these offsets would have records skipped whose results were
    # never written
    writes_commit_metadata = True
    serves_one_run = True

    def __init__(
        self,
        *,
        transactional_id: str | None = None,
        interval_ms: float = 100,
        transaction_timeout_ms: float = 10_000,
        max_result_bytes: int = 64 * 1024 * 1024,
        producer_config: Mapping[str, Any] | None = None,
        make_producer: Callable[..., Any] = KafkaProducer,
    ) -> None:
        check_settings(transactional_id, interval_ms, transaction_timeout_ms, max_result_bytes, producer_config)
        self.interval_ms = interval_ms
        self._id = transactional_id
        self._timeout_ms = transaction_timeout_ms
        self._most_bytes = max_result_bytes
        self._overrides = dict(producer_config or {})
        self._make_producer = make_producer
        self._pending = PendingResults()
        self._run: RunTransactions | None = None
        self._throttle: Throttle | None = None
        self._most_request_bytes = 0
        self._is_slowed = False
        self._slowing = threading.Lock()

    def topic_needs(self, settings: Settings) -> list[TopicNeed]:
        """Tell that no topic is needed, for ``kafka-parallel check``: results name theirs.

        :param settings: of the consumer.
        :raises ConfigurationError: a run with these would not start.
        """
        check_consumer(settings, self._timeout_ms)
        return []

    def __repr__(self) -> str:
        return f"ExactlyOnce(transactional_id={self._id!r}, producer_config={sorted(self._overrides)})"

    # The run

    @hookimpl
    def provide_transactions(self) -> ExactlyOnce:
        """Write the results of handlers, and the records of other plugins, with the offsets."""
        return self

    @hookimpl
    def on_throttle(self, throttle: Throttle) -> None:
        """Keep the throttle, by which few records are started while more than ``max_result_bytes`` of results wait."""
        self._throttle = throttle

    # trylast comes first: on_start is called in the order of pluggy's list. The other plugins need this producer in
    # their own on_start, where they call require_topic().
    @hookimpl(trylast=True)
    def on_start(self, settings: Settings) -> None:
        """Connect, and end an earlier transaction of the same id.

        :raises ConfigurationError: the consumer or the client cannot do it, or the cluster cannot be reached.
        """
        check_consumer(settings, self._timeout_ms)
        name = self._id or f"{settings.group_id}-{settings.consumer_config.get('client_id')}-{uuid.uuid4().hex[:12]}"
        claim_id(name)
        try:
            producer = self._connected(settings, name)
        except BaseException:
            release_id(name)
            raise
        self._run = RunTransactions(settings, name, producer, self._timeout_ms / 1000)

    def _connected(self, settings: Settings, name: str) -> Any:
        overrides = {
            "retry_backoff_ms": 10,
            "max_request_size": KafkaProducer.DEFAULT_CONFIG["max_request_size"],
            **self._overrides,
        }
        config = producer_config(NAME, settings.consumer_config, overrides, self._timeout_ms)
        config |= {"transactional_id": name, "transaction_timeout_ms": round(self._timeout_ms)}
        self._most_request_bytes = int(config["max_request_size"])
        producer = None
        try:
            producer = self._make_producer(**config, key_serializer=ExactBytes())
            producer.init_transactions()
        except FAILURES as error:
            if producer is not None:
                close_producer(producer, timeout_ms=0)
            raise ConfigurationError(
                f"plugin {NAME} cannot start its producer with transactional_id={name!r} ({error!r}): check the "
                "consumer's connection settings, and that its user may write with this transactional id; together "
                f"they set {', '.join(sorted(config))}"
            ) from error
        return producer

    @hookimpl
    def on_stop(self) -> None:
        """Close the producer of this run, and let others of the process use its transactional id."""
        run, self._run = self._run, None
        if run is not None:
            release_id(run.transactional_id)
            run.close()

    # Results

    def require_topic(self, topic: str) -> None:
        """Make sure that a topic exists and can be written.

        :param topic: its name.
        :raises ConfigurationError: the cluster does not answer for it, or does not let this user see it.
        """
        try:
            self._running.producer.partitions_for(topic)
        except FAILURES as error:
            raise ConfigurationError(
                f"plugin {NAME} cannot reach topic {topic!r} ({error!r}): create the topic, or allow the user of the "
                "consumer's connection to describe and write it"
            ) from error

    def add_results(self, records: Sequence[Outgoing], context: RecordContext) -> None:
        """Keep the results of an attempt for the transaction that commits its record: see `Transactions`.

        :param records: the results; empty for none.
        :param context: of the attempt.
        :raises ResultNotWritten: one is too large, or names a partition that its topic does not have.
        """
        for record in records:
            self._require_partition(record)
            if self._is_too_large(record):
                raise ResultNotWritten(record.topic, self._too_large(record))
        self._pending.keep_results(records, context)
        self._regulate()

    def add_instead(self, record: Outgoing, context: RecordContext) -> None:
        """Keep a record that replaces the results of a failed attempt, a dead letter for example: see `Transactions`.

        :param record: the replacement.
        :param context: of the attempt that failed.
        :raises MessageSizeTooLargeError: it is larger than the producer's ``max_request_size``.
        """
        if self._is_too_large(record):
            raise MessageSizeTooLargeError(self._too_large(record))
        self._pending.keep_instead(record, context)

    def _require_partition(self, record: Outgoing) -> None:
        """Refuse a wrong partition here, where it fails its own record; later it would abort a transaction of many."""
        if record.partition is None:
            return
        try:
            partition_of(self._running.producer, record)
        except UnknownPartition as error:
            raise ResultNotWritten(record.topic, str(error), error.advice) from error
        except FAILURES as error:
            raise ResultNotWritten(record.topic, repr(error)) from error

    def _is_too_large(self, record: Outgoing) -> bool:
        return size_of(record) + OVERHEAD > self._most_request_bytes

    def _too_large(self, record: Outgoing) -> str:
        return f"it has {size_of(record)} bytes, more than the producer's max_request_size={self._most_request_bytes}"

    @hookimpl(wrapper=True, tryfirst=True)
    def on_error(self, context: RecordContext) -> Generator[None, Any, Any]:
        """Forget the results of the attempt that has failed, before others decide, who may add a dead letter."""
        self._pending.note_failure(context)
        return (yield)

    @hookimpl
    def on_revoke(self, partitions: Collection[TopicPartition]) -> None:
        """Forget the results of partitions that have left: the next owner handles their records, and writes its own."""
        self._pending.forget_partitions(partitions)
        self._regulate()

    def _regulate(self) -> None:
        """Start records slowly while more results wait than may; as ever again below half of that."""
        size, throttle = self._pending.size, self._throttle
        if throttle is None or self._most_bytes / 2 <= size <= self._most_bytes:
            return
        with self._slowing:
            is_slowed = self._pending.size > self._most_bytes
            if is_slowed == self._is_slowed:
                return
            self._is_slowed = is_slowed
            throttle.limit(1 if is_slowed else None)
            throttle.limit_rate(SLOW_RATE if is_slowed else None)
        if is_slowed:
            log.warning("%d bytes of results wait for the commit of their records, more than max_result_bytes: few "
                        "records are started until they are written", size)  # fmt: skip

    # Transactions

    @property
    def _running(self) -> RunTransactions:
        if self._run is None:
            raise StateError(f"plugin {NAME} was asked outside of a run")
        return self._run

    @hookimpl(tryfirst=True)
    def on_commit(self, offsets: dict[TopicPartition, OffsetAndMetadata], context: CommitContext) -> bool:
        """Write the results of all records below *offsets*, and *offsets*, in one transaction.

        :raises CommitFailed: no transaction can be made any more, or it is not known how the last one ended.
        :raises KafkaError: it was aborted.
        """
        ends = {partition: offset.offset for partition, offset in offsets.items()}
        self._running.write_together(self._pending.results_below(ends), offsets, context)
        self._pending.forget_written(ends)
        self._regulate()
        return True
