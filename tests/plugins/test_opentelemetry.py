"""Each attempt has one span, the right one: of its record, in the producer's trace, around all that is called."""

from __future__ import annotations

import asyncio
import json
import threading
from functools import partial
from types import SimpleNamespace

import pytest
from kafka import TopicPartition
from opentelemetry import baggage, propagate, trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from kafka_parallel import MemberFenced, RecordContext, Retry, Skip, hookimpl
from kafka_parallel.testing.fake import FakeProducer
from kafka_parallel_plugins.dlq import DeadLetterQueue
from kafka_parallel_plugins.opentelemetry import telemetry as telemetry_module
from kafka_parallel_plugins.opentelemetry.spans import SpanMaker
from kafka_parallel_plugins.retry_topics import RetryTopics
from tests.plugins.traces import Traced, called, current, started, traceparent
from tests.runtime.app import TOPIC

BOTH = pytest.mark.parametrize("executor", ["thread-pool", "asyncio"])


class Decide:
    """Answers on_error."""

    def __init__(self, answer):
        self.answer = answer

    @hookimpl
    def on_error(self, record, error, context):
        return self.answer(context)


def again(times):
    return Decide(lambda context: Retry(0) if context.attempt <= times else Skip("enough"))


def fail(record):
    raise ValueError("no amount")


class TestWhatASpanSays:
    def test_of_the_first_attempt_at_a_record(self):
        app = Traced()
        app.append()

        app.trace()

        [span] = app.spans
        queued = dict(span.attributes).pop("kafka_parallel.queue.duration")
        assert span.name == f"process {TOPIC}"
        assert span.kind is SpanKind.CONSUMER
        assert span.status.status_code is StatusCode.UNSET
        assert span.instrumentation_scope.name == "kafka_parallel"
        assert span.instrumentation_scope.schema_url == "https://opentelemetry.io/schemas/1.44.0"
        assert 0 <= queued < 3600
        assert span.attributes == {
            "messaging.system": "kafka",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": TOPIC,
            "messaging.destination.partition.id": "0",
            "messaging.consumer.group.name": "g",
            "messaging.client.id": app.consumer().config["client_id"],
            "messaging.kafka.offset": 0,
            "kafka_parallel.queue.duration": queued,
        }

    def test_a_sampler_is_given_what_does_not_depend_on_the_record(self):
        seen = []
        sampler = SimpleNamespace(
            should_sample=lambda *args: seen.append(args) or ALWAYS_OFF.should_sample(*args), get_description=str
        )
        app = Traced(sampler=sampler)
        app.append(traceparent(7))

        app.trace()

        [(_, trace_id, name, kind, attributes, links)] = seen
        assert (trace_id, name, kind) == (7, f"process {TOPIC}", SpanKind.CONSUMER)
        assert attributes["messaging.destination.name"] == TOPIC
        assert attributes["messaging.operation.type"] == "process"
        assert [link.context.trace_id for link in links] == [7]

    def test_a_record_without_a_value_is_a_tombstone(self):
        app = Traced()
        app.append(value=None)
        app.append(value=b"")

        app.trace()

        assert [span.attributes.get("messaging.kafka.message.tombstone") for span in app.processed.values()] == [
            True,
            None,
        ]

    @pytest.mark.parametrize(("key", "said"), [(b"alice", "alice"), (b"\xff", None), (None, None)])
    def test_a_key_is_told_only_if_asked_for_and_if_it_is_text(self, key, said):
        telling, silent = Traced(keys=True), Traced()
        for app in (telling, silent):
            app.append(key=key)
            app.trace()

        assert telling.spans[0].attributes.get("messaging.kafka.message.key") == said
        assert "messaging.kafka.message.key" not in silent.spans[0].attributes

    def test_a_size_is_told_if_asked_for(self):
        app = Traced(sizes=True)
        app.append(value=b"12345")

        app.trace()

        assert app.spans[0].attributes["messaging.message.body.size"] == 5


class TestWhichTraceItBelongsTo:
    def test_the_producers_span_is_parent_and_link(self):
        app = Traced()
        app.append(traceparent(0xABC, 0xDEF))

        app.trace()

        [span] = app.spans
        assert (span.context.trace_id, span.parent.span_id, span.parent.is_remote) == (0xABC, 0xDEF, True)
        assert [(link.context.trace_id, link.context.span_id) for link in span.links] == [(0xABC, 0xDEF)]

    def test_or_a_link_alone(self):
        app = Traced(parent="link")
        app.append(traceparent(0xABC, 0xDEF))

        app.trace()

        [span] = app.spans
        assert span.parent is None
        assert span.context.trace_id != 0xABC
        assert [(link.context.trace_id, link.context.span_id) for link in span.links] == [(0xABC, 0xDEF)]

    @pytest.mark.parametrize(
        "headers",
        [
            [],
            [("traceparent", None)],
            [("traceparent", b"\xff\xfe")],
            [("traceparent", b"nonsense")],
            [("Traceparent", traceparent(1)[1])],
            [("traceparent", b"00-" + b"0" * 32 + b"-" + b"1" * 16 + b"-01")],
        ],
    )
    def test_without_a_usable_header_it_begins_a_trace(self, headers):
        app = Traced()
        app.append(*headers)

        assert app.trace() is None

        [span] = app.spans
        assert span.parent is None
        assert not span.links

    def test_the_last_usable_header_counts(self):
        app = Traced()
        app.append(traceparent(1), traceparent(2), ("traceparent", None), ("traceparent", b"\xff"))

        app.trace()

        assert app.spans[0].context.trace_id == 2

    def test_a_parent_that_is_not_sampled_is_followed(self):
        app = Traced()
        app.append(traceparent(1, flags=0))
        seen = []

        app.trace(lambda _: seen.append(trace.get_current_span().get_span_context()))

        assert app.spans == ()
        assert seen[0].trace_id == 1
        assert not seen[0].trace_flags.sampled

    def test_the_span_in_which_run_was_called_is_no_parent(self):
        app = Traced()
        app.append()
        app.append(traceparent(5))

        with called(app, "the program"):
            app.trace()

        assert [span.parent and span.parent.span_id for span in app.processed.values()] == [None, 1]


def alternating(app, count=40):
    """Records with and without a trace in turn, few of which have a worker to themselves; offset 0 is of trace 1."""
    for offset in range(count):
        app.append(*([] if offset % 2 else [traceparent(offset + 1), ("baggage", b"tenant=%d" % offset)]))


def calling(app):
    """A handler that calls something else, and says for which record."""

    def handle(record):
        with called(app) as span:
            span.set_attribute("for", record.offset)
            span.set_attribute("tenant", str(baggage.get_baggage("tenant")))

    return handle


def check_calls(app, count=40, *, baggage=True):
    """Each call is a child of its record's span, that of its producer's, and both have their own baggage."""
    calls = {span.attributes["for"]: span for span in app.spans if span.name == "GET"}
    assert calls.keys() == set(range(count))
    assert {offset for offset, _ in app.processed} == set(range(count))
    for (offset, _), span in app.processed.items():
        call = calls[offset]
        assert (call.context.trace_id, call.parent.span_id) == (span.context.trace_id, span.context.span_id)
        assert not baggage or call.attributes["tenant"] == ("None" if offset % 2 else str(offset))
        assert (span.parent is None) == bool(offset % 2)
        assert offset % 2 or span.context.trace_id == offset + 1
    assert len({span.context.trace_id for span in app.processed.values()}) == count


class TestWhatHappensInsideOfIt:
    @BOTH
    def test_calls_of_the_handler_are_its_children_and_nothing_leaks_to_the_next_record(self, executor):
        app = Traced(executor)
        alternating(app)

        assert app.trace(calling(app)) is None

        check_calls(app)

    @pytest.mark.parametrize("mistake", ["of the record before", "of the last record that had a trace"])
    def test_a_span_of_the_wrong_record_is_found(self, mistake, monkeypatch):
        app = Traced()
        alternating(app)
        wrong = {"of the record before": OfTheRecordBefore, "of the last record that had a trace": Leaking}[mistake]
        monkeypatch.setattr(telemetry_module, "SpanMaker", wrong)

        app.trace(calling(app), workers=1)

        with pytest.raises(AssertionError):
            check_calls(app)

    def test_the_span_is_outermost(self):
        """The acts of other plugins around the handler belong to it too."""
        app = Traced()
        app.append(traceparent(3))
        seen = []

        class Other:
            @hookimpl(wrapper=True)
            def on_record(self, record, context):
                seen.append(current()[0])
                return (yield)

        app.run(plugins=[app.plugin, Other()])

        assert seen == [3]

    def test_a_record_that_a_plugin_answers_has_a_span_too(self):
        app = Traced()
        app.append()

        class Answer:
            @hookimpl
            def on_record(self, record, context):
                return Skip("not wanted")

        app.trace(plugins=[Answer()])

        assert [span.status.status_code for span in app.spans] == [StatusCode.UNSET]


class OfTheRecordBefore(SpanMaker):
    before = None

    def of_record(self, raw, *args, **options):
        raw, self.before = self.before or raw, raw
        return super().of_record(raw, *args, **options)


class Leaking(SpanMaker):
    headers = ()

    def of_record(self, raw, *args, **options):
        self.headers = raw.headers or self.headers
        return super().of_record(raw._replace(headers=self.headers), *args, **options)


class TestAttempts:
    @BOTH
    def test_each_has_a_span_linked_to_the_one_before(self, executor):
        app = Traced(executor)
        app.append(traceparent(9, 5))

        app.trace(fail, plugins=[again(2)])

        first, second, third = (app.processed[0, attempt] for attempt in (1, 2, 3))
        assert {span.context.trace_id for span in (first, second, third)} == {9}
        assert {span.parent.span_id for span in (first, second, third)} == {5}
        assert [link.context.span_id for link in first.links] == [5]
        assert [link.context.span_id for link in second.links] == [5, first.context.span_id]
        assert [link.context.span_id for link in third.links] == [5, second.context.span_id]
        assert "kafka_parallel.queue.duration" not in second.attributes

    @BOTH
    def test_one_that_fails_says_why_and_a_skip_does_not_make_it_well(self, executor):
        app = Traced(executor)
        app.append()

        app.trace(fail, plugins=[again(0)])

        [span] = app.spans
        assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ValueError")
        assert span.attributes["error.type"] == "ValueError"
        [event] = span.events
        assert (event.name, event.attributes["exception.message"]) == ("exception", "no amount")

    def test_an_error_of_a_module_is_named_with_it(self):
        app = Traced()
        app.append()

        def handle(record):
            raise MemberFenced("g", "i")

        app.trace(handle, plugins=[again(0)])

        assert app.spans[0].attributes["error.type"] == "kafka_parallel.errors.MemberFenced"

    @pytest.mark.parametrize("error", [StopIteration("x"), SystemExit(3), KeyboardInterrupt()])
    def test_the_error_goes_on_as_it_was(self, error):
        app = Traced()
        app.append()

        def handle(record):
            raise error

        ended = app.trace(handle)

        assert error in (ended, ended.__cause__)
        assert app.spans[0].attributes["error.type"] == type(error).__name__

    def test_one_whose_record_cannot_be_deserialised_has_a_span_with_that_error(self):
        app = Traced()
        app.append(traceparent(4), value=b"{")

        app.trace(plugins=[again(1)], consumer={"value_deserializer": json.loads})

        first, second = app.processed[0, 1], app.processed[0, 2]
        assert first.context.trace_id == 4
        assert first.attributes["error.type"] == "json.decoder.JSONDecodeError"
        assert [link.context.span_id for link in second.links] == [1, first.context.span_id]

    def test_a_handler_that_misses_its_deadline_ends_its_span_with_the_verdict(self):
        app = Traced()
        app.append()
        release, decided = threading.Event(), threading.Event()

        def decide(context):
            decided.set()
            return Skip("too slow")

        def handle(record):
            assert decided.wait(60)
            app.until_one_ends()
            assert [span.attributes["error.type"] for span in app.spans] == ["kafka_parallel.errors.HandlerTimeout"]
            release.set()

        app.trace(handle, plugins=[Decide(decide)], handler_timeout_ms=30)

        assert release.wait(60)
        assert [span.attributes["error.type"] for span in app.spans] == ["kafka_parallel.errors.HandlerTimeout"]

    def test_a_coroutine_that_is_cancelled_for_it_says_so_as_well(self):
        app = Traced()
        app.append()

        async def handle(record):
            await asyncio.Event().wait()

        error = app.run_coroutine(handle, plugins=[again(0), app.plugin], handler_timeout_ms=30)

        assert error is None
        assert [span.attributes["error.type"] for span in app.spans] == ["kafka_parallel.errors.HandlerTimeout"]

    def test_no_identity_is_kept_of_a_record_that_is_done_or_gone(self):
        app = Traced()
        for _ in range(20):
            app.append()

        app.trace(lambda record: record.offset % 3 or fail(record), plugins=[again(1)])

        attempts = app.plugin._telemetry.attempts
        assert (attempts._open, attempts._waiting) == ({}, {})

    def test_what_waits_of_a_partition_that_leaves_is_forgotten(self):
        app = Traced()
        app.append()
        [raw] = [app.cluster.append(TOPIC, b"x", b"k", partition=0)]
        context = RecordContext(raw, 1, 1, 0.0, None)
        attempts = started(app).attempts
        for error in (ValueError("x"), asyncio.CancelledError()):
            attempts.end_attempt(attempts.start_attempt(context), (context,), error)
            if not isinstance(error, asyncio.CancelledError):
                attempts.decided(attempts.judge(context, error), context, Retry(0))

        attempts.forget({TopicPartition("other", 0)})
        kept = len(attempts._open), len(attempts._waiting)
        attempts.forget({TopicPartition(TOPIC, 0)})

        assert kept == (1, 1)
        assert (attempts._open, attempts._waiting) == ({}, {})
        app.plugin.on_stop()
        assert [span.attributes["error.type"] for span in app.spans] == [
            "ValueError",
            "asyncio.exceptions.CancelledError",
        ]


class SpanningProducer(FakeProducer):
    """Adds its own context, as OpenTelemetry's instrumentation of kafka-python does."""

    def send(self, topic, value=None, key=None, headers=None, partition=None):
        headers = list(headers or ())
        propagate.inject(headers, setter=SimpleNamespace(set=lambda carrier, k, v: carrier.append((k, v.encode()))))
        return super().send(topic, value, key, headers, partition)


class TestWhatIsWrittenElsewhere:
    def test_a_dead_letter_keeps_its_trace_and_is_written_inside_the_span_of_the_attempt(self):
        app = Traced()
        app.cluster.create_topic("t-dlq")
        app.append(traceparent(8, 6), ("tracestate", b"a=b"))
        letters = DeadLetterQueue(make_producer=partial(SpanningProducer, cluster=app.cluster))

        app.trace(fail, plugins=[letters])

        [letter] = app.cluster.log(TopicPartition("t-dlq", 0)).records
        written = [value for name, value in letter.headers if name == "traceparent"]
        assert written == [traceparent(8, 6)[1], traceparent(8, app.spans[0].context.span_id)[1]]
        assert ("tracestate", b"a=b") in letter.headers

    def test_a_retry_topic_keeps_it_too_and_its_span_says_both_topics(self):
        app = Traced()
        app.cluster.create_topic("t-g-retry-0")
        app.append(traceparent(8, 6))
        topics = RetryTopics(delays_ms=[1], make_producer=partial(FakeProducer, cluster=app.cluster))

        def once(record):
            if not any(span.attributes.get("error.type") for span in app.spans):
                fail(record)

        app.trace(once, plugins=[topics], ordering="unordered")

        first, second = app.spans
        assert second.name == "process t-g-retry-0"
        assert second.attributes["messaging.destination.name"] == "t-g-retry-0"
        assert second.attributes["kafka_parallel.source.topic"] == TOPIC
        assert (second.context.trace_id, second.parent.span_id) == (8, 6)
        assert "kafka_parallel.source.topic" not in first.attributes


class TestCommits:
    def test_they_have_no_spans_by_default(self):
        app = Traced()
        app.append()

        app.trace()

        assert app.committed == 1
        assert len(app.spans) == 1

    def test_they_have_if_asked_for(self):
        app = Traced(commit_spans=True)
        app.append()

        app.trace()

        span = next(span for span in app.spans if span.name.startswith("commit"))
        assert (span.name, span.kind, span.parent) == (f"commit {TOPIC}", SpanKind.CLIENT, None)
        assert span.attributes["messaging.operation.type"] == "settle"
        assert span.attributes["messaging.consumer.group.name"] == "g"

    def test_one_that_fails_says_why(self):
        app = Traced(commit_spans=True)
        app.append()

        class Refuse:
            @hookimpl
            def on_commit(self, offsets, context):
                raise OSError("no store")

        app.trace(plugins=[Refuse()])

        commits = [span for span in app.spans if span.name.startswith("commit")]
        assert {span.attributes["error.type"] for span in commits} == {"OSError"}
        points = app.metrics["messaging.client.operation.duration"]
        assert [point.attributes["error.type"] for point in points] == ["OSError"]
