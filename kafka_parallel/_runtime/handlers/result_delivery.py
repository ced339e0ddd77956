"""How the results of handlers that are `producing` reach the broker, before their records count as handled.

A handler returns tuples of `Result`, wherever it runs; here, in the process of run(), they are sent, and waited for on
the worker. How they are awaited beside an ``async def`` handler stands in ``awaited_results.py``.

The delivery of one run is a plugin of it, so that its producer is opened and closed as those of other plugins are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from kafka_parallel._logs import area_logger
from kafka_parallel._showing import described
from kafka_parallel.errors import BatchFailed, ConfigurationError, InvalidResult, ResultNotWritten, StateError
from kafka_parallel.hookspecs import hookimpl
from kafka_parallel.outbox import NotWritten, Outgoing, UnknownPartition, is_too_large, open_outbox, producer_config
from kafka_parallel.results import NAME, RECORD_KEY

if TYPE_CHECKING:
    from kafka_parallel._unfinished import Results
    from kafka_parallel.outbox import HandedOver, Outbox
    from kafka_parallel.results import Producing, Result
    from kafka_parallel.values import BatchContext, RecordContext, Settings, Transactions

log = area_logger("outbox")

# So that workers share a batch of the producer; the user's own setting is not touched.
LINGER_MS = 5
TOO_LARGE = "make it smaller, or raise max.message.bytes of the topic, or max_request_size of producer_config"


# see docs/decisions/0079-results-are-returned.md
class ResultDelivery:
    """Hands over the results of one run. Any number of workers may use it at once.

    :param producing: says where to.
    :param lacks: tells whether the cluster is known to have no such topic.
    """

    def __init__(self, producing: Producing[Any], lacks: Callable[[str], bool]) -> None:
        self._producing = producing
        self._lacks = lacks
        self._outbox: Outbox | None = None
        self._transactions: Transactions | None = None

    # The run

    @hookimpl
    def on_start(self, settings: Settings) -> None:
        """Connect, and look the topic up; unless a plugin writes results together with offsets.

        :raises ConfigurationError: the cluster or the topic cannot be reached, or the consumer reads the topic.
        """
        self._transactions = settings.transactions
        producing = self._producing
        if producing.topic is not None and settings.reads(producing.topic):
            raise ConfigurationError(
                f"producing(topic={producing.topic!r}) would write to a topic that this consumer reads itself, so "
                "every result would come back as a new record: name another topic; a single result may go there by "
                f"Result(value, topic={producing.topic!r})"
            )
        if producing.topic is not None:
            self._warn_if_missing(producing.topic)
        if settings.transactions is not None:
            self._require_no_producer_of_its_own()
            if producing.topic is not None:
                settings.transactions.require_topic(producing.topic)
            return
        overrides = {"linger_ms": LINGER_MS, **producing.overrides}
        config = producer_config(NAME, settings.consumer_config, overrides, producing.timeout_ms)
        topics = [] if producing.topic is None else [producing.topic]
        self._outbox = open_outbox(NAME, producing.make_producer, config, topics, producing.timeout_ms, settings.clock)

    def _warn_if_missing(self, topic: str) -> None:
        """Say that there is no *topic*: looking it up by a producer creates it, where the broker allows that."""
        if self._lacks(topic):
            log.warning("topic %r of producing() does not exist: the broker creates it now with its own number of "
                        "partitions, if it creates topics by itself; check the spelling", topic)  # fmt: skip

    def _require_no_producer_of_its_own(self) -> None:
        if self._producing.sets_producer:
            raise ConfigurationError(
                "producing(producer_config=..., make_producer=...) has no effect beside a plugin that writes results "
                "in transactions of its own producer: give these settings to that plugin"
            )

    @hookimpl
    def on_stop(self) -> None:
        """Close the producer: what a handler that still runs has sent and not seen acknowledged is given up."""
        outbox, self._outbox = self._outbox, None
        if outbox is not None:
            outbox.close()

    # Around a handler

    def after(self, call: Callable[..., Any], *, is_batch: bool) -> Callable[..., Any]:
        """Make *call*, a function of a record (of records) and its context, one that hands its results over.

        :param call: returns what `Producing.judged` makes.
        """
        return partial(self._call_list if is_batch else self._call, call)

    def _call(self, call: Callable[..., Results], record: Any, context: RecordContext) -> Results:
        results = call(record, context)
        if results is None:  # the handler's process could not send them, and said nothing
            raise InvalidResult("the results of a handler in another process did not arrive: its record is not handled")
        records = self.outgoing_of(results, context)
        if not self.keep_in_transaction(records, context) and records:
            self.require_written(self.hand_over(records))
        return results

    def keep_in_transaction(self, records: list[Outgoing], context: RecordContext) -> bool:
        """Hand *records*, maybe none, to the plugin that writes them together with the offset; false without one."""
        if self._transactions is None:
            return False
        self._transactions.add_results(records, context)
        return True

    def _call_list(self, call: Callable[..., Any], records: Any, context: BatchContext) -> None:
        failed, outgoing = self.sort_out(call(records, context), context)
        failed |= self.not_written(self.hand_over_all(outgoing))
        if failed:
            raise BatchFailed(failed)

    def sort_out(
        self, judged: Sequence[Results | Exception], context: BatchContext
    ) -> tuple[dict[int, Exception], dict[int, list[Outgoing]]]:
        """The records of a batch that have failed, and those that have results, by their place."""
        failed: dict[int, Exception] = {}
        outgoing: dict[int, list[Outgoing]] = {}
        for place, (found, attempt) in enumerate(zip(judged, context.attempts, strict=True)):
            try:
                if isinstance(found, Exception):
                    failed[place] = found
                elif not self.keep_in_transaction(records := self.outgoing_of(found, attempt), attempt) and records:
                    outgoing[place] = records
            except Exception as error:  # noqa: BLE001 - of this record alone
                failed[place] = error
        return failed, outgoing

    # The results of one record

    def outgoing_of(self, results: Results, context: RecordContext) -> list[Outgoing]:
        """The records to be written.

        :raises InvalidResult: a result names no topic, and there is no other.
        """
        return [self._of_result(result, context) for result in results]

    def _of_result(self, result: Result, context: RecordContext) -> Outgoing:
        topic = result.topic or self._producing.topic
        if topic is None:
            raise InvalidResult(
                "a result names no topic, and producing() neither: write Result(value, topic=...), or "
                "producing(handler, topic=...)"
            )
        key: Any = context.raw.key if result.key is RECORD_KEY else result.key
        headers = [*result.headers]
        value: Any = result.value
        return Outgoing(topic, result.partition, key, value, headers, result.timestamp_ms, is_partition_exact=True)

    def hand_over(self, records: list[Outgoing]) -> HandedOver:
        outbox = self._outbox
        if outbox is None:
            raise StateError("a handler that is producing returned after the end of its run: its producer is closed")
        return outbox.hand_over(records)

    def hand_over_all(self, outgoing: Mapping[int, list[Outgoing]]) -> dict[int, HandedOver]:
        """Send those of each record of a batch, in their order."""
        return {place: self.hand_over(records) for place, records in outgoing.items()}

    def not_written(self, sent: Mapping[int, HandedOver]) -> dict[int, Exception]:
        """Wait for the answers, and return the errors of records of a batch, by their place."""
        failed: dict[int, Exception] = {}
        for place, handed_over in sent.items():
            try:
                self.require_written(handed_over)
            except ResultNotWritten as error:
                failed[place] = error
        return failed

    @staticmethod
    def require_written(handed_over: HandedOver) -> None:
        """Wait for the answers.

        :raises ResultNotWritten: one was none.
        """
        try:
            handed_over.require_written()
        except NotWritten as error:
            cause = error.__cause__
            if isinstance(cause, UnknownPartition):
                raise ResultNotWritten(error.record.topic, str(cause), cause.advice) from cause
            if cause is not None and is_too_large(cause):
                size = len(error.record.value or b"")
                raise ResultNotWritten(
                    error.record.topic, f"a value of {size} bytes: {described(cause)}", TOO_LARGE
                ) from cause
            raise ResultNotWritten(error.record.topic, described(cause or error)) from cause
