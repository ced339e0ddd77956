"""A record that fails is never passed over, even with a consumer built with kafka-python's defaults."""

from __future__ import annotations

import json

import pytest
from kafka import KafkaConsumer
from kafka.serializer import Deserializer

from kafka_parallel import ParallelConsumer, RecordFailed, Skip, hookimpl
from tests.integration.kafka_app import committed, consume, ends, produce

pytestmark = pytest.mark.broker


class Json(Deserializer):
    """In both calling conventions: (topic, data) of kafka-python 2.x, (topic, headers, data) of 3.x."""

    def deserialize(self, topic, *rest):
        return json.loads(rest[-1])


def test_a_failing_handler_stops_run_and_commits_nothing_past_its_record(kafka_broker, topic):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(1), 50, keys=[b"a", b"b", b"c"])
    group, error, seen = "g-" + produced.topic, ValueError("bad order"), []

    def handle(record):
        seen.append(record.offset)
        if record.offset == 20:
            raise error

    def build():
        return KafkaConsumer(
            produced.topic,
            group_id=group,
            bootstrap_servers=bootstrap,
            auto_offset_reset="earliest",
            consumer_timeout_ms=3000,
        )

    with pytest.raises(RecordFailed, match=r"@20 failed: ValueError\('bad order'\)") as first:
        ParallelConsumer(build()).run(handle)
    after_first = committed(bootstrap, group, produced)
    seen.clear()
    with pytest.raises(RecordFailed):
        ParallelConsumer(build()).run(handle)

    assert first.value.__cause__ is error
    assert after_first == {0: 20}
    assert 20 in seen
    assert min(seen) == 20


def test_a_record_that_cannot_be_deserialised_is_one_failed_record(kafka_broker, topic):
    bootstrap = kafka_broker.bootstrap_servers
    name = topic(1)
    for value in (b"1", b"not json", b"3"):
        produced = produce(bootstrap, name, 1, value=value)
    group, seen = "g-" + name, []

    def build():
        return consume(bootstrap, name, group, value_deserializer=Json())

    with pytest.raises(RecordFailed, match="@1 failed: JSONDecodeError") as caught:
        ParallelConsumer(build(), ordering="partition").run(lambda record: seen.append(record.value))

    assert isinstance(caught.value.__cause__, json.JSONDecodeError)
    assert seen == [1]
    assert committed(bootstrap, group, produced) == {0: 1}

    class SkipBadJson:
        @hookimpl
        def on_error(self, record, error, context):
            seen.append((record.value, context.raw.value))
            return Skip("bad json")

    ParallelConsumer(build(), ordering="partition", plugins=[SkipBadJson()]).run(
        lambda record: seen.append(record.value)
    )

    assert seen == [1, (b"not json", b"not json"), 3]
    assert committed(bootstrap, group, produced) == ends(produced)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError])
def test_what_is_meant_for_the_interpreter_comes_out_of_run(kafka_broker, topic, kind):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(1), 10)
    group, asked = "g-" + produced.topic, []

    class SkipEverything:
        @hookimpl
        def on_error(self, record, error, context):
            asked.append(error)
            return Skip("whatever")

    def handle(record):
        if record.offset == 5:
            raise kind

    with pytest.raises(kind):
        ParallelConsumer(consume(bootstrap, produced.topic, group), plugins=[SkipEverything()]).run(handle)

    assert asked == []
    assert committed(bootstrap, group, produced)[0] <= 5
