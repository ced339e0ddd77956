"""A bucket of durations names the trace of an attempt in it, in the format that has a place for it."""

from __future__ import annotations

import threading

import pytest

from tests.plugins.test_prometheus import Consumer

prometheus_client = pytest.importorskip("prometheus_client")
from prometheus_client.openmetrics import exposition, parser  # noqa: E402

from kafka_parallel_plugins.prometheus.exemplars import Example, newest, trace_of  # noqa: E402
from kafka_parallel_plugins.prometheus.exposition import written  # noqa: E402

ONE, OTHER = "0af7651916cd43dd8448eb211c80319c", "4bf92f3577b34da6a3ce929d0e0e4736"


def traced(trace_id=ONE, flags="01"):
    return [("traceparent", f"00-{trace_id}-b7ad6b7169203331-{flags}".encode())]


@pytest.mark.parametrize(
    ("headers", "trace_id"),
    [
        (traced(), ONE),
        ([("other", b"x"), *traced()], ONE),
        ([*traced(ONE), *traced(OTHER)], OTHER),
        (traced(flags="03"), ONE),
        ([("traceparent", traced()[0][1] + b"-more")], ONE),
        (traced(flags="00"), None),
        (traced(flags="02"), None),
        (traced("0" * 32), None),
        (traced(ONE.upper()), None),
        (traced(ONE[:-1]), None),
        ([*traced(), ("traceparent", None)], None),
        ([*traced(), ("traceparent", b"")], None),
        ([("traceparent", b"\xff" * 55)], None),
        ([], None),
    ],
)
def test_a_header_names_a_sampled_trace_or_none(headers, trace_id):
    assert trace_of(headers) == trace_id


def shown(consumer):
    """The exemplars that a scrape shows: by bound, trace, duration and time."""
    text = exposition.generate_latest(consumer.registry).decode()
    assert written(consumer.registry, exposition.CONTENT_TYPE_LATEST)[0].decode().count(" # {") == text.count(" # {")
    samples = [sample for family in parser.text_string_to_metric_families(text) for sample in family.samples]
    found = {sample.labels["le"]: sample.exemplar for sample in samples if sample.exemplar is not None}
    return {bound: (each.labels["trace_id"], each.value, float(each.timestamp)) for bound, each in found.items()}


def test_each_bucket_has_the_last_trace_that_was_counted_in_it():
    consumer = Consumer(buckets=[1, 4])

    consumer.handle(takes=2.0, headers=traced(ONE))
    consumer.handle(takes=3.0, headers=traced(OTHER))
    consumer.handle(takes=8.0, headers=traced(ONE))
    consumer.handle(takes=0.5)
    consumer.handle(takes=0.5, headers=traced(flags="00"))

    assert shown(consumer) == {"4.0": (OTHER, 3.0, 1_000_105.0), "+Inf": (ONE, 8.0, 1_000_113.0)}


def test_of_attempts_that_are_told_at_once_the_slowest_is_shown():
    consumer = Consumer(buckets=[1, 4])

    consumer.tell(
        *(consumer.attempt(takes, headers=traced(trace)) for takes, trace in [(1.0, ONE), (2.0, OTHER), (0.5, ONE)])
    )

    assert {bound: trace for bound, (trace, *_) in shown(consumer).items()} == {"4.0": OTHER}


def test_of_several_threads_the_newest_is_shown():
    consumer = Consumer(buckets=[4])
    consumer.handle(takes=1.0, headers=traced(ONE))
    thread = threading.Thread(target=lambda: consumer.handle(takes=1.0, headers=traced(OTHER)))
    thread.start()
    thread.join()

    assert shown(consumer)["4.0"][0] == OTHER
    assert newest([[None, Example(2, 1, "b")], [None, Example(1, 9, "a")]]) == [None, Example(2, 1, "b")]


def test_a_handler_of_records_without_a_trace_has_none():
    consumer = Consumer()
    consumer.handle(takes=1.0)
    consumer.handle(takes=1.0, headers=[("other", b"x")])

    assert shown(consumer) == {}
    assert b" # {" not in written(consumer.registry, "")[0]
