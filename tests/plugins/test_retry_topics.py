"""The topic that a failed record goes to next, its headers, and the time it comes back."""

from __future__ import annotations

import dataclasses
import re
from functools import partial

import hypothesis.strategies as st
import pytest
from hypothesis import given
from kafka.errors import KafkaTimeoutError

from kafka_parallel import (
    Batch,
    ConfigurationError,
    Halt,
    ParallelConsumer,
    RecordFailed,
    Skip,
    StateError,
    hookimpl,
)
from kafka_parallel._runtime.handlers.originals import Originals
from kafka_parallel.dlq import parse
from kafka_parallel.dlq.null_headers import marked, restored
from kafka_parallel.testing.fake import FakeConsumer
from kafka_parallel.testing.fake import FakeProducer as ClusterProducer
from kafka_parallel_plugins.retry_topics import RetryTopics
from tests.plugins.test_dlq import FakeProducer, context, settings
from tests.runtime.app import GROUP, TOPIC, App

NOW = 1_700_000_000.0


def unordered(**changes):
    return dataclasses.replace(settings(), is_ordered=False, **changes)


def started(start=None, **options):
    """Return a started plugin, its producer and its answer."""
    start, made = start or unordered(), []

    def make(**config):
        made.append(FakeProducer(clock=start.clock, **config))
        return made[0]

    plugin = RetryTopics(make_producer=make, wall_clock=lambda: NOW, **options)
    provided = plugin.provide_topics(start)
    plugin.on_start(start)
    return plugin, made[0], provided


def test_each_failure_moves_a_record_to_the_next_topic_and_then_the_next_plugin_is_asked():
    plugin, producer, provided = started(delays_ms=[1000, 5000])

    answers = [
        plugin.on_error(ValueError(), context(topic=topic))
        for topic in ("orders", "orders-billing-retry-0", "orders-billing-retry-1")
    ]

    assert answers[:2] == [
        Skip("ValueError: to be tried again from orders-billing-retry-0[1]@0", written_to="orders-billing-retry-0"),
        Skip("ValueError: to be tried again from orders-billing-retry-1[1]@1", written_to="orders-billing-retry-1"),
    ]
    assert answers[2] is None
    assert [topic for topic, _ in producer.sent] == ["orders-billing-retry-0", "orders-billing-retry-1"]
    assert provided.sources == {"orders-billing-retry-0": "orders", "orders-billing-retry-1": "orders"}


def test_the_headers_are_springs_byte_for_byte():
    plugin, producer, _ = started(delays_ms=[1123, 5000])
    forged = [("trace", b"1"), ("retry_topic-attempts", b"\x7f\xff\xff\xff"), ("kafka_original-offset", b"x")]

    plugin.on_error(ValueError(), context(headers=forged))
    [(_, first)] = producer.sent
    plugin.on_error(ValueError(), context(topic="orders-billing-retry-0", offset=77, headers=first["headers"]))

    assert first["headers"] == [
        ("trace", b"1"),
        ("kafka_original-topic", b"orders"),
        ("kafka_original-partition", b"\x00\x00\x00\x01"),
        ("kafka_original-offset", b"\x00\x00\x00\x00\x00\x00\x00\x05"),
        ("kafka_original-timestamp", b"\x00\x00\x00\x00\x00\x00\x03\xe8"),
        ("retry_topic-attempts", b"\x00\x00\x00\x02"),
        ("retry_topic-original-timestamp", b"\x03\xe8"),
        ("retry_topic-backoff-timestamp", b"\x01\x8b\xcf\xe5\x6c\x63"),
    ]
    second = producer.sent[1][1]["headers"]
    assert second[:5] == first["headers"][:5], "the place is where it was first read"
    assert second[5:7] == [
        ("retry_topic-attempts", b"\x00\x00\x00\x03"),
        ("retry_topic-original-timestamp", b"\x03\xe8"),
    ]
    assert (producer.sent[1][1]["key"], producer.sent[1][1]["value"]) == (b"k", b"v")


@given(st.integers(0, 2**62))
def test_a_number_is_written_as_java_writes_it_and_read_back(number):
    from kafka_parallel_plugins.retry_topics import _big_integer

    data = _big_integer(number)

    assert int.from_bytes(data, "big", signed=True) == number
    assert len(data) == 1 or data[0] != 0 or data[1] >= 0x80, "no byte more than it takes"
    assert parse([("retry_topic-original-timestamp", data)]).timestamp_ms == number


@pytest.mark.parametrize(
    ("data", "milliseconds"),
    [
        ((1_700_000_000_400).to_bytes(6, "big"), 400),
        ((1_699_999_999_000).to_bytes(6, "big"), -1000),
        ((1_800_000_000_000).to_bytes(6, "big"), 1000),
        (b"", 1000), (b"\xff", 1000), (b"\x01" * 9, 1000), (None, 1000),
    ],
)  # fmt: skip
def test_no_header_makes_a_record_wait_longer_than_the_delay_of_its_topic(data, milliseconds):
    _, _, provided = started(delays_ms=[1000])
    record = context(topic="orders-billing-retry-0", headers=[("retry_topic-backoff-timestamp", data)]).raw

    assert provided.delay_ms(record, NOW * 1000) == pytest.approx(milliseconds)


def test_without_an_answer_it_halts():
    plugin, producer, _ = started()
    producer.calls["get"] = KafkaTimeoutError()

    verdict = plugin.on_error(KeyError("amount"), context())

    assert isinstance(verdict, Halt)
    assert verdict.reason.startswith(
        "KeyError, and retry topic 'orders-billing-retry-0' did not acknowledge the record"
    )


def test_what_would_fail_again_goes_to_the_next_plugin():
    plugin, producer, _ = started(retry_on=[OSError])

    assert plugin.on_error(ValueError(), context()) is None
    assert plugin.on_error(OSError(), context()._replace(stage="prepare")) is None
    assert producer.sent == []


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"is_ordered": True}, "ordering='unordered'"), ({"group_id": None}, "consumer group"),
        ({"topics": frozenset()}, "by name"), ({"has_raw_bytes": False}, "lazy_deserialization"),
        ({"topics": frozenset(["a", "a-billing-retry-1"])}, "'a-billing-retry-1' itself, and the consumer"),
    ],
)  # fmt: skip
def test_a_consumer_that_it_cannot_work_for_is_refused(changes, what):
    with pytest.raises(ConfigurationError, match=what):
        RetryTopics().provide_topics(dataclasses.replace(unordered(), **changes))


@pytest.mark.parametrize(
    ("setting", "value", "shown"),
    [
        ("delays_ms", [], "a list"), ("delays_ms", 5, "5"), ("delays_ms", [-1], "-1"),
        ("delays_ms", [float("inf")], "inf"),
        ("delays_ms", ["1"], "'1'"), ("timeout_ms", 0, "0"), ("retry_on", [int], "int"), ("retry_on", ["x"], "'x'"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_work_is_refused(setting, value, shown):
    with pytest.raises(ConfigurationError, match=f"{setting} of plugin retry-topics (is|has) .*{re.escape(shown)}"):
        RetryTopics(**{setting: value})


def test_it_must_have_been_started():
    with pytest.raises(StateError, match="before on_start"):
        RetryTopics().on_error(ValueError(), context())


class RetryApp(App):
    """An app with retry topics on its fake cluster, and a plugin that writes down every attempt."""

    def __init__(self, records, topics=2):
        super().__init__(records)
        for number in range(topics):
            self.cluster.create_topic(f"{TOPIC}-{GROUP}-retry-{number}")
        self.attempts = []

    @hookimpl(wrapper=True)
    def on_record(self, context):
        self.attempts.append((context.raw.topic, context.raw.value))
        return (yield)

    def run(self, handler, delays_ms=(30, 30), **options):
        retry = RetryTopics(delays_ms=delays_ms, make_producer=partial(ClusterProducer, cluster=self.cluster))
        plugins = [self, retry, *options.pop("plugins", ())]
        return super().run(handler, ordering="unordered", plugins=plugins, **options)

    def committed_of(self, topic):
        from kafka import TopicPartition

        found = self.cluster.committed(GROUP, TopicPartition(topic, 0))
        return 0 if found is None else found.offset


def test_a_record_comes_back_from_topic_to_topic_and_the_others_go_on():
    app = RetryApp(20)

    def fail_first(record):
        if record.value == b"0" and ("t-g-retry-1", b"0") not in app.attempts:
            raise OSError

    assert app.run(fail_first) is None
    assert [topic for topic, value in app.attempts if value == b"0"] == ["t", "t-g-retry-0", "t-g-retry-1"]
    assert len(app.attempts) == 22
    assert [app.committed_of(topic) for topic in ("t", "t-g-retry-0", "t-g-retry-1")] == [20, 1, 1]


def test_a_record_that_fails_in_every_topic_is_left_to_the_next_plugin():
    app = RetryApp(3)

    def fail(record):
        if record.value == b"1":
            raise OSError

    error = app.run(fail)

    assert isinstance(error, RecordFailed)
    assert error.topic == "t-g-retry-1"
    assert app.committed_of("t") == 3
    assert app.committed_of("t-g-retry-1") == 0


def test_a_partition_of_a_retry_topic_is_paused_until_its_record_is_due():
    app, events = RetryApp(3, topics=1), []

    class Listener:
        @hookimpl
        def on_backpressure(self, event):
            events.extend((partition.topic, why) for partition, why in event.paused.items())

    def fail(record):
        if record.value == b"1" and ("t-g-retry-0", b"1") not in app.attempts:
            raise OSError

    assert app.run(fail, delays_ms=[200], plugins=[Listener()]) is None
    assert set(events) == {("t-g-retry-0", "not due")}
    assert app.committed_of("t-g-retry-0") == 1


def test_what_waits_in_a_retry_topic_is_not_lost_with_latest():
    app = RetryApp(0, topics=1)
    app.cluster.append("t-g-retry-0", b"waits", partition=0)
    app.consumer = partial(app.consumer, auto_offset_reset="latest")

    assert app.run(lambda record: None, delays_ms=[10]) is None
    assert app.attempts == [("t-g-retry-0", b"waits")]


def test_the_dead_letter_names_the_place_where_the_record_was_first_read():
    app = RetryApp(3, topics=1)
    app.cluster.create_topic("t-dlq")
    from kafka_parallel_plugins.dlq import DeadLetterQueue

    def fail(record):
        if record.value == b"2":
            raise OSError

    dlq = DeadLetterQueue(make_producer=partial(ClusterProducer, cluster=app.cluster))
    assert app.run(fail, delays_ms=[10], plugins=[dlq]) is None

    from kafka import TopicPartition

    [letter] = app.cluster.log(TopicPartition("t-dlq", 0)).records
    says = parse(letter.headers)
    assert (says.topic, says.partition, says.offset, says.attempts) == ("t", 0, 2, 2)


# The handler's view


def place(record):
    return record.topic, record.partition, record.offset, record.timestamp, record.headers


class Topical:
    """A deserialiser that needs the topic, as that of a schema registry does; in both calling conventions."""

    def deserialize(self, topic, *rest):
        assert topic == TOPIC
        return rest[-1].decode()


@pytest.mark.parametrize("deserializer", [None, Topical()])
@pytest.mark.parametrize("kind", ["plain", "async", "batch"])
def test_the_handler_sees_the_record_as_it_was_first_read(kind, deserializer):
    """The kind: a handler's choice by the topic, or by the place, of a record. Tables of handlers are usual."""
    app, seen, raws = RetryApp(3), [], []
    app.cluster.append(TOPIC, b"3", b"key", partition=0, headers=[("empty", b""), ("none", None), ("full", b"1")])

    def act(record):
        seen.append(place(record))
        {TOPIC: lambda: None}[record.topic]()
        if record.offset == 3 and len(seen) < 6:
            raise OSError

    async def act_async(record):
        act(record)

    class Raws:
        @hookimpl(wrapper=True)
        def on_record(self, context):
            raws.append((context.raw.topic, context.raw.offset))
            return (yield)

    handler = {"plain": act, "async": act_async, "batch": lambda records: [act(record) for record in records] and None}
    retry = RetryTopics(delays_ms=(5, 5), make_producer=partial(ClusterProducer, cluster=app.cluster))
    consumer = {} if deserializer is None else {"value_deserializer": deserializer}
    parallel = app.parallel(consumer, ordering="unordered", plugins=[Raws(), retry], workers=1)
    batch = {"batch": Batch(max_records=1)} if kind == "batch" else {}
    parallel.run(handler[kind], **batch)

    third = [found for found in seen if found[2] == 3]
    assert len(third) == 3
    assert {found[:3] for found in third} == {(TOPIC, 0, 3)}
    assert len({found[3] for found in third}) == 1, "its timestamp too"
    for found in third:
        assert found[4][:3] == [("empty", b""), ("none", None), ("full", b"1")]
        assert not any("null-header" in name for name, _ in found[4])
    assert raws[-2:] == [("t-g-retry-0", 0), ("t-g-retry-1", 0)], "the real place is in the context"


def test_what_is_sent_to_a_process_is_the_record_as_it_was_first_read():
    app = RetryApp(1)
    retry = RetryTopics(make_producer=partial(ClusterProducer, cluster=app.cluster))
    [delayed] = [retry.provide_topics(dataclasses.replace(unordered(), topics=frozenset([TOPIC]), group_id=GROUP))]
    originals = Originals(delayed.sources.keys(), delayed.original)
    headers = [("kafka_original-partition", b"\0\0\0\5"), ("kafka_original-offset", b"\0" * 7 + b"\7")]
    raw = context(topic="t-g-retry-0", headers=headers).raw

    assert originals.see(raw)[:2] == (TOPIC, 5)
    assert originals.see(raw).offset == 7
    assert originals.see(context(topic=TOPIC).raw) == context(topic=TOPIC).raw


@pytest.mark.parametrize("headers", [[], [("kafka_original-offset", b"x")], [("kafka_original-partition", None)]])
def test_a_place_that_nobody_can_read_is_no_place(headers):
    _, _, provided = started()

    record = provided.original(context(topic="orders-billing-retry-0", offset=8, headers=headers).raw)

    assert (record.topic, record.partition, record.offset) == ("orders", -1, -1)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "kafka-parallel.null-header", "kafka-parallel.prev.x"]),
            st.one_of(st.none(), st.binary(min_size=1, max_size=3)),
        ),
        unique_by=lambda header: header[0],
    )
)
def test_headers_come_back_as_they_were(headers):
    written = marked(headers)

    assert all(value is not None for _, value in written)
    assert restored(written) == headers
    assert restored(marked(restored(written))) == headers, "through a second topic as well"


# Several groups


def test_a_group_does_not_handle_what_another_one_failed_at():
    app = RetryApp(3)
    for number in range(2):
        app.cluster.create_topic(f"{TOPIC}-h-retry-{number}")
    handled = {"g": [], "h": []}

    def run(group, is_failing):
        def handle(record):
            handled[group].append(record.value)
            if is_failing and handled[group].count(record.value) == 1:
                raise OSError

        consumer = FakeConsumer(
            TOPIC, cluster=app.cluster, group_id=group, auto_offset_reset="earliest", consumer_timeout_ms=500
        )
        retry = RetryTopics(delays_ms=(5, 5), make_producer=partial(ClusterProducer, cluster=app.cluster))
        ParallelConsumer(consumer, ordering="unordered", plugins=[retry], install_signal_handlers=False).run(handle)

    run("g", is_failing=True)
    run("h", is_failing=False)

    assert sorted(handled["g"]) == [b"0", b"0", b"1", b"1", b"2", b"2"]
    assert sorted(handled["h"]) == [b"0", b"1", b"2"]


def test_a_name_can_be_given():
    _, _, provided = started(name="{topic}-retry-{number}", delays_ms=[1, 2])

    assert provided.sources == {"orders-retry-0": "orders", "orders-retry-1": "orders"}


@pytest.mark.parametrize("name", [5, "", "retry-{number}", "{topic}-retry", "{topic}-{step}", "{topic}{number", "{}"])
def test_a_name_that_cannot_work_is_refused(name):
    with pytest.raises(ConfigurationError, match="name of plugin retry-topics is"):
        RetryTopics(name=name)


def test_a_group_that_cannot_be_in_a_name_is_refused_with_what_to_write():
    with pytest.raises(ConfigurationError, match=r"'orders-billing/eu-retry-0'.*choose another name="):
        started(unordered(group_id="billing/eu"))
