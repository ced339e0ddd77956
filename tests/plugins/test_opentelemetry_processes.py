"""In a process of a pool the span is made where the handler runs, and its failure goes on where that is decided."""

from __future__ import annotations

import pickle
import time
from contextvars import copy_context
from functools import partial

import pytest
from opentelemetry import trace

from kafka_parallel import BatchContext, RecordContext, Retry, Skip
from kafka_parallel.errors import WorkerDied
from kafka_parallel_plugins.opentelemetry.child_spans import Around, ChildSpans
from kafka_parallel_plugins.opentelemetry.instruments import Instruments, Measurements
from kafka_parallel_plugins.opentelemetry.spans import SpanMaker, SpanOptions
from tests.plugins.test_opentelemetry import check_calls
from tests.plugins.test_opentelemetry_faults import Hostile
from tests.plugins.traces import Traced, called, current, started, traceparent

OPTIONS = SpanOptions(is_child=True, keys=False, sizes=False, client={"messaging.system": "kafka"}, sources={})


class Child:
    """The process: the wrapper after its journey, with the tracer that the handler's module has set up there."""

    def __init__(self, tracer, wrapper=None):
        self.wrapper = pickle.loads(pickle.dumps(wrapper or ChildSpans(OPTIONS)))
        self.wrapper._maker = SpanMaker(OPTIONS, tracer, time.monotonic)

    def handle(self, handler, context, given=None, told=None):
        """Run as `kafka_parallel._runtime.handlers.child_calls` does; return the error as the parent gets it."""
        try:
            with self.wrapper(given or context.raw, context, told):
                handler(given or context.raw)
        except Exception as error:
            return pickle.loads(pickle.dumps(error))
        return None


def contexts(app, count=4, attempt=1):
    raws = [app.append(*([] if number % 2 else [traceparent(number + 1)])) for number in range(count)]
    return [RecordContext(raw, attempt, 1, 0.0, None) for raw in raws]


def handle_all(app, count=40):
    """Every record in one context of Python's, as a process has it, with calls of the handler."""
    child = Child(app.plugin._tracer_provider.get_tracer("kafka_parallel"))
    for context in contexts(app, count):
        child.handle(partial(call, app, context), context)


def call(app, context, _):
    with called(app) as span:
        span.set_attribute("for", context.raw.offset)


def test_each_record_has_its_span_and_nothing_leaks_to_the_next_record():
    app = Traced()

    handle_all(app)

    check_calls(app, baggage=False)
    assert current() == (0, 0)


def test_a_context_that_leaks_to_the_next_record_is_found(monkeypatch):
    """Without an SDK a record without a context has no span, and would go on with the one before."""

    def seen():
        app, found = Traced(), []
        child = Child(trace.NoOpTracer())
        for context in contexts(app):
            child.handle(lambda _: found.append(current()[0]), context)
        return found

    assert seen() == [1, 0, 3, 0]

    monkeypatch.setattr(Around, "__exit__", lambda self, *_: None)
    assert copy_context().run(seen) == [1, 1, 3, 3]


def test_an_attempt_and_its_wait_are_told():
    app = Traced()
    child = Child(app.plugin._tracer_provider.get_tracer("kafka_parallel"))
    [first], [second] = contexts(app, 1), contexts(app, 1, attempt=2)

    child.handle(lambda _: None, first)
    child.handle(lambda _: None, second)

    assert app.spans[0].attributes["kafka_parallel.queue.duration"] > 0
    assert app.spans[1].attributes["kafka_parallel.attempt"] == 2


def test_a_batch_has_one_span():
    app = Traced()
    child = Child(app.plugin._tracer_provider.get_tracer("kafka_parallel"))

    told = (None, (7, 8, 1), None, None)
    child.handle(lambda _: None, BatchContext(tuple(contexts(app))), given=[1, 2, 3, 4], told=told)

    [span] = app.spans
    assert [link.context.trace_id for link in span.links] == [1, 3, 7]


def test_a_failure_is_decided_inside_of_the_span_that_failed_there():
    app, seen = Traced(), []
    telemetry = started(app)
    child = Child(app.plugin._tracer_provider.get_tracer("kafka_parallel"))
    [context] = contexts(app, 1)

    def fail(_):
        raise ValueError("no amount")

    error = child.handle(fail, context)
    active = telemetry.attempts.judge(context, error)
    seen.append(current())
    telemetry.attempts.decided(active, context, Skip("enough"))

    [span] = app.spans
    assert seen == [(span.context.trace_id, span.context.span_id)]
    assert span.attributes["error.type"] == "ValueError"
    assert current() == (0, 0)


def test_the_next_attempt_is_linked_to_the_one_before_wherever_that_was():
    app = Traced()
    telemetry = started(app)
    sent = app.plugin._told
    [context] = contexts(app, 1)
    tracer = app.plugin._tracer_provider.get_tracer("kafka_parallel")

    def fail(_):
        raise ValueError("no amount")

    error = Child(tracer).handle(fail, context, told=sent(context))
    telemetry.attempts.decided(telemetry.attempts.judge(context, error), context, Retry(0))
    again = context._replace(attempt=2)
    Child(tracer).handle(lambda _: None, again, told=sent(again))
    told = sent(again)
    telemetry.attempts.settle([(context.raw, 2, 0.0, 0.0, 0.0, None)])

    first, second = app.spans
    assert [link.context.span_id for link in second.links] == [1, first.context.span_id]
    assert told is not None, "the record may be sent once more"
    assert sent(again) is None


def test_a_record_whose_process_died_has_a_span_of_the_parent():
    app = Traced()
    telemetry = started(app)
    [context] = contexts(app, 1)

    telemetry.attempts.decided(telemetry.attempts.judge(context, WorkerDied("killed", -9)), context, None)
    telemetry.stop()

    [span] = app.spans
    assert span.context.trace_id == 1
    assert span.attributes["error.type"] == "kafka_parallel.errors.WorkerDied"


@pytest.mark.parametrize("tracer", [Hostile(RuntimeError("none")), Hostile(None), Hostile("span")])
def test_a_hostile_tracer_there_is_logged_once_and_harms_no_record(tracer, caplog):
    app, handled = Traced(), []
    child = Child(tracer)

    assert [child.handle(handled.append, context) for context in contexts(app)] == [None] * 4

    assert len(handled) == 4
    assert caplog.text.count("plugin opentelemetry could not") == 1


def test_a_call_with_many_records_there_is_in_the_histogram_once():
    """The parent hears of it by its records, which began together."""
    app = Traced()
    measurements = Measurements(Instruments(app.meters.get_meter("kafka_parallel")), {}, partitions=False)
    raws = [context.raw for context in contexts(app, 4)]

    measurements.note_handled([(raw, 1, 0.0, 5.0, 6.0 + number, None) for number, raw in enumerate(raws)], "calls")
    measurements.note_handled([(raws[0], 1, 0.0, 7.0, 9.0, None)], "calls")

    [point] = app.metrics["messaging.process.duration"]
    assert (point.count, point.sum) == (2, 3.0)
