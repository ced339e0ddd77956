"""Which topic a failed record goes to next, with which headers, and when it comes back."""

from __future__ import annotations

import dataclasses
import re
from functools import partial

import hypothesis.strategies as st
import pytest
from hypothesis import given
from kafka.errors import KafkaTimeoutError

from kafka_parallel import ConfigurationError, Halt, RecordFailed, Skip, StateError, hookimpl
from kafka_parallel.dlq import parse
from kafka_parallel.testing.fake import FakeProducer as ClusterProducer
from kafka_parallel_plugins.retry_topics import RetryTopics
from tests.plugins.test_dlq import FakeProducer, context, settings
from tests.runtime.app import GROUP, TOPIC, App

NOW = 1_700_000_000.0


def unordered(**changes):
    return dataclasses.replace(settings(), is_ordered=False, **changes)


def started(start=None, **options):
    """Return a started plugin, its producer and what it provided."""
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
        plugin.on_error(ValueError(), context(topic=topic)) for topic in ("orders", "orders-retry-0", "orders-retry-1")
    ]

    assert answers[:2] == [
        Skip("ValueError: to be tried again from orders-retry-0[1]@0"),
        Skip("ValueError: to be tried again from orders-retry-1[1]@1"),
    ]
    assert answers[2] is None
    assert [topic for topic, _ in producer.sent] == ["orders-retry-0", "orders-retry-1"]
    assert provided.sources == {"orders-retry-0": "orders", "orders-retry-1": "orders"}


def test_the_headers_are_springs_byte_for_byte():
    plugin, producer, _ = started(delays_ms=[1123, 5000])
    forged = [("trace", b"1"), ("retry_topic-attempts", b"\x7f\xff\xff\xff"), ("kafka_original-offset", b"x")]

    plugin.on_error(ValueError(), context(headers=forged))
    [(_, first)] = producer.sent
    plugin.on_error(ValueError(), context(topic="orders-retry-0", offset=77, headers=first["headers"]))

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
    ("data", "seconds"),
    [
        ((1_700_000_000_400).to_bytes(6, "big"), 0.4),
        ((1_699_999_999_000).to_bytes(6, "big"), -1.0),
        ((1_800_000_000_000).to_bytes(6, "big"), 1.0),
        (b"", 1.0), (b"\xff", 1.0), (b"\x01" * 9, 1.0), (None, 1.0),
    ],
)  # fmt: skip
def test_no_header_makes_a_record_wait_longer_than_the_delay_of_its_topic(data, seconds):
    _, _, provided = started(delays_ms=[1000])
    record = context(topic="orders-retry-0", headers=[("retry_topic-backoff-timestamp", data)]).raw

    assert provided.delay(record, NOW) == pytest.approx(seconds)


def test_without_an_answer_it_halts():
    plugin, producer, _ = started()
    producer.calls["get"] = KafkaTimeoutError()

    verdict = plugin.on_error(KeyError("amount"), context())

    assert isinstance(verdict, Halt)
    assert verdict.reason.startswith("KeyError, and retry topic 'orders-retry-0' did not acknowledge the record")


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
        ({"topics": frozenset(["a", "a-retry-1"])}, "'a-retry-1' itself, and the consumer is subscribed to it as well"),
    ],
)  # fmt: skip
def test_a_consumer_that_it_cannot_work_for_is_refused(changes, what):
    with pytest.raises(ConfigurationError, match=what):
        RetryTopics().provide_topics(dataclasses.replace(unordered(), **changes))


@pytest.mark.parametrize(
    ("setting", "value", "shown"),
    [
        ("delays_ms", [], "[]"), ("delays_ms", 5, "5"), ("delays_ms", [-1], "-1"), ("delays_ms", [float("inf")], "inf"),
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
            self.cluster.create_topic(f"{TOPIC}-retry-{number}")
        self.attempts = []

    @hookimpl(wrapper=True)
    def on_record(self, record):
        self.attempts.append((record.topic, record.value))
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
        if record.value == b"0" and record.topic != "t-retry-1":
            raise OSError

    assert app.run(fail_first) is None
    assert [topic for topic, value in app.attempts if value == b"0"] == ["t", "t-retry-0", "t-retry-1"]
    assert len(app.attempts) == 22
    assert [app.committed_of(topic) for topic in ("t", "t-retry-0", "t-retry-1")] == [20, 1, 1]


def test_a_record_that_fails_in_every_topic_is_left_to_the_next_plugin():
    app = RetryApp(3)

    def fail(record):
        if record.value == b"1":
            raise OSError

    error = app.run(fail)

    assert isinstance(error, RecordFailed)
    assert error.topic == "t-retry-1"
    assert app.committed_of("t") == 3
    assert app.committed_of("t-retry-1") == 0


def test_a_partition_of_a_retry_topic_is_paused_until_its_record_is_due():
    app, events = RetryApp(3, topics=1), []

    class Listener:
        @hookimpl
        def on_backpressure(self, event):
            events.extend((partition.topic, why) for partition, why in event.paused.items())

    def fail(record):
        if record.value == b"1" and record.topic == "t":
            raise OSError

    assert app.run(fail, delays_ms=[200], plugins=[Listener()]) is None
    assert set(events) == {("t-retry-0", "not due")}
    assert app.committed_of("t-retry-0") == 1


def test_what_waits_in_a_retry_topic_is_not_lost_with_latest():
    app = RetryApp(0, topics=1)
    app.cluster.append("t-retry-0", b"waits", partition=0)
    app.consumer = partial(app.consumer, auto_offset_reset="latest")

    assert app.run(lambda record: None, delays_ms=[10]) is None
    assert app.attempts == [("t-retry-0", b"waits")]


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
