"""One trace goes from a producer through the handler to the service that it calls, exported by OTLP."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict

import pytest

from tests.integration.otlp_receiver import receiving
from tests.integration.traced_app import BAD, COUNT

pytestmark = pytest.mark.broker
PRODUCER, CONSUMER, CLIENT = 4, 5, 3


def run(kind, broker, topic):
    """Run the program to its end; return its spans and the calls that the service got."""
    with receiving() as receiver:
        at = f"http://127.0.0.1:{receiver.server_address[1]}"
        environment = {**os.environ, "TRACED_RECEIVER": f"{at}/v1/traces", "TRACED_SERVICE": at}
        command = [sys.executable, "-m", "tests.integration.traced_app", kind, broker.bootstrap_servers, topic]
        subprocess.run(command, env=environment, check=True, timeout=300)
    return Traces(receiver.spans), receiver.calls


class Traces:
    """The spans of a program."""

    def __init__(self, spans):
        self.spans = spans
        self.by_id = {span.span_id: span for span in spans}

    def of_kind(self, kind, name=""):
        return [span for span in self.spans if span.kind == kind and name in span.name]

    def parent(self, span):
        return self.by_id[span.parent_span_id]


def attribute(span, name):
    for found in span.attributes:
        if found.key == name:
            return getattr(found.value, found.value.WhichOneof("value"))
    return None


def attempts(traces, topic):
    """The process spans by offset, in the order of the attempts."""
    found = defaultdict(list)
    for span in traces.of_kind(CONSUMER, f"process {topic}"):
        if span.name == f"process {topic}":
            found[attribute(span, "messaging.kafka.offset")].append(span)
    return {offset: sorted(spans, key=lambda span: span.start_time_unix_nano) for offset, spans in found.items()}


def identity(span):
    """Trace and span as a traceparent has them."""
    return [span.trace_id.hex(), span.span_id.hex()]


def called_from(traceparent):
    """Those that the service was called with."""
    return traceparent.split("-")[1:3]


@pytest.mark.parametrize("kind", ["thread-pool", "asyncio", "process-pool"])
def test_one_trace_from_the_producer_to_the_service_that_the_handler_calls(kind, kafka_broker, topic):
    name = topic(1)
    letters = name + "-dlq"
    kafka_broker.create_topic(letters, 1)

    traces, calls = run(kind, kafka_broker, name)

    of_records = attempts(traces, name)
    assert of_records.keys() == set(range(COUNT))
    for offset, spans in of_records.items():
        for span in spans:
            producer = traces.parent(span)
            assert (producer.kind, producer.trace_id) == (PRODUCER, span.trace_id)
            [call] = [call for call in traces.of_kind(CLIENT) if call.parent_span_id == span.span_id]
            assert call.trace_id == span.trace_id
        assert called_from(calls[f"/{offset}"]) == identity(call), (
            "the header that the service got names the client's span"
        )
    assert len({spans[0].trace_id for spans in of_records.values()}) == COUNT
    assert {offset for offset, spans in of_records.items() if len(spans) != 1} == {BAD}

    first, second = of_records[BAD]
    assert first.span_id in {link.span_id for link in second.links}
    assert attribute(second, "kafka_parallel.attempt") == 2
    assert attribute(second, "error.type") == "ValueError"

    [letter] = traces.of_kind(CONSUMER, f"process {letters}")
    writing = traces.parent(letter)
    assert (writing.kind, writing.parent_span_id) == (PRODUCER, second.span_id)
    assert {span.trace_id for span in (letter, writing)} == {first.trace_id}


@pytest.mark.parametrize("kind", ["batch", "process-pool batch"])
def test_a_batch_has_one_span_linked_to_the_producers_of_its_records(kind, kafka_broker, topic):
    name = topic(1)

    traces, calls = run(kind, kafka_broker, name)

    producers = {span.span_id for span in traces.of_kind(PRODUCER)}
    batches = traces.of_kind(CONSUMER)
    linked = [link.span_id for span in batches for link in span.links]
    assert sorted(linked) == sorted(producers)
    assert len(producers) == COUNT
    for span in batches:
        assert (span.name, span.parent_span_id) == (f"process {name}", b"")
        assert attribute(span, "messaging.batch.message_count") == len(span.links)
    parents = {traces.parent(call).span_id for call in traces.of_kind(CLIENT)}
    assert parents == {span.span_id for span in batches}
    assert sorted(map(called_from, calls.values())) == sorted(map(identity, traces.of_kind(CLIENT)))
