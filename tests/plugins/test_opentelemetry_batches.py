"""A batch has one span, linked to where its records come from; each of its failed records is linked to it in turn."""

from __future__ import annotations

import asyncio
import threading

import pytest
from opentelemetry.trace import StatusCode

from kafka_parallel import Batch, BatchFailed, ConfigurationError, RecordFailed, Skip
from tests.plugins.test_opentelemetry import BOTH, Decide, again
from tests.plugins.traces import Traced, called, started, traceparent
from tests.runtime.app import TOPIC


class Batches(Traced):
    """Hands out lists."""

    def handle(self, handler):
        def handle(records):
            handler(records)
            self.handled += [record.offset for record in records]

        async def handle_async(records):
            await asyncio.sleep(0)
            handle(records)

        return handle_async if self._executor == "asyncio" else handle

    def trace_batches(self, handler=lambda _: None, plugins=(), max_records=4, **options):
        parallel = self.parallel(plugins=[*plugins, self.plugin], **options)
        try:
            parallel.run(self.handle(handler), Batch(max_records=max_records, max_wait_ms=20))
        except Exception as error:
            return error
        return None


@BOTH
def test_one_span_for_the_call_with_a_link_for_each_record(executor):
    app = Batches(executor)
    for number in (1, 2, None, 4):
        app.append(*([] if number is None else [traceparent(number, number)]))
    seen = []

    def handle(records):
        with called(app) as call:
            seen.append((len(records), call.parent.span_id))

    assert app.trace_batches(handle) is None

    [span] = [span for span in app.spans if span.name == f"process {TOPIC}"]
    assert seen == [(4, span.context.span_id)]
    assert span.parent is None
    assert [link.context.trace_id for link in span.links] == [1, 2, 4]
    assert span.attributes["messaging.batch.message_count"] == 4
    assert span.attributes["messaging.destination.partition.id"] == "0"
    assert "messaging.kafka.offset" not in span.attributes
    assert len(app.spans) == 2, "the call, and no span for a single record"


def test_a_batch_of_several_topics_names_none():
    app = Batches()
    raw = app.append()
    maker = started(app)._spans

    span = maker.of_batch([raw, raw._replace(topic="other")], []).span
    span.end()

    assert app.spans[0].name == "process"
    assert "messaging.destination.name" not in app.spans[0].attributes
    assert maker.of_batch([raw, raw._replace(partition=1)], []).span.attributes["messaging.destination.name"] == TOPIC


@BOTH
def test_records_that_fail_are_linked_to_the_batch_that_they_failed_in(executor):
    app = Batches(executor)
    for number in range(1, 5):
        app.append(traceparent(number))

    def handle(records):
        failed = {place: ValueError("no") for place, record in enumerate(records) if record.offset in (1, 2)}
        if failed and len(records) == 4:
            raise BatchFailed(failed)

    assert app.trace_batches(handle, plugins=[again(1)]) is None

    first, *others = app.spans
    assert first.status.status_code is StatusCode.ERROR
    assert first.attributes["error.type"] == "kafka_parallel.errors.BatchFailed"
    before = [link.context.span_id for span in others for link in span.links if link.context.trace_id > 4]
    assert before == [first.context.span_id] * 2
    attempts = app.plugin._telemetry.attempts
    assert (attempts._open, attempts._waiting) == ({}, {})


def test_an_error_that_names_records_that_are_not_there_is_one_of_all():
    app = Batches()
    for _ in range(3):
        app.append()

    def handle(records):
        raise BatchFailed({7: ValueError("no")})

    assert isinstance(app.trace_batches(handle), RecordFailed), "a fault of the program stops the consumer"

    assert app.plugin._telemetry.attempts._open == {}
    assert ConfigurationError.__name__ not in app.spans[0].attributes["error.type"], "the handler raised BatchFailed"


def test_a_batch_that_misses_its_deadline_ends_its_span_with_the_verdict():
    app = Batches()
    for _ in range(3):
        app.append()
    decided, seen = threading.Event(), []

    def decide(context):
        if context.raw.offset == 2:
            decided.set()
        return Skip("too slow")

    def handle(records):
        assert decided.wait(60)
        app.until_one_ends()
        seen.extend(span.attributes["error.type"] for span in app.spans)

    app.trace_batches(handle, plugins=[Decide(decide)], handler_timeout_ms=50)

    assert seen == ["kafka_parallel.errors.HandlerTimeout"]
    assert len(app.spans) == 1


@pytest.mark.parametrize("error", [None, ValueError("no")])
def test_each_call_is_in_the_histogram_once_and_each_record_is_consumed_once(error):
    app = Batches()
    for _ in range(8):
        app.append()

    def handle(records):
        if error is not None and records[0].offset == 0:
            raise error

    app.trace_batches(handle, plugins=[Decide(lambda context: Skip("enough"))], workers=1)

    metrics = app.metrics
    assert [point.value for point in metrics["messaging.client.consumed.messages"]] == [8]
    counts = {point.attributes.get("error.type"): point.count for point in metrics["messaging.process.duration"]}
    assert counts == ({None: 2} if error is None else {None: 1, "ValueError": 1})
