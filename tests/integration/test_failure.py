"""A record that fails is never passed over, even with a consumer built with kafka-python's defaults."""

from __future__ import annotations

import json

import pytest
from kafka import KafkaConsumer
from kafka.serializer import Deserializer

from kafka_parallel import RecordFailed, Skip, hookimpl
from kafka_parallel.testing.history import History, Kind, read
from tests.integration.handlers import EXECUTORS, OTHERS, handler, workers_of
from tests.integration.kafka_app import IDLE_MS, committed, consume, ends, produce
from tests.integration.until_committed import UntilCommitted

pytestmark = pytest.mark.broker


class Json(Deserializer):
    """In both calling conventions: (topic, data) of kafka-python 2.x, (topic, headers, data) of 3.x."""

    def deserialize(self, topic, *rest):
        return json.loads(rest[-1])


def started(history):
    return [entry.offset for entry in read(history.path) if entry.kind == Kind.START]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_failing_handler_stops_run_and_commits_nothing_past_its_record(kafka_broker, topic, tmp_path, executor):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(1), 50, keys=[b"a", b"b", b"c"])
    group = "g-" + produced.topic
    first, second = History(tmp_path / "first"), History(tmp_path / "second")
    options = {"fails_at": (20,), "error": ValueError("bad order")}

    def build():
        consumer = KafkaConsumer(
            produced.topic,
            group_id=group,
            bootstrap_servers=bootstrap,
            auto_offset_reset="earliest",
            consumer_timeout_ms=IDLE_MS,
        )
        return UntilCommitted(consumer, executor=executor, workers=workers_of(executor))

    with pytest.raises(RecordFailed, match=r"@20 failed: ValueError\('bad order'\)") as caught:
        build().run(handler(executor, first, **options))
    after_first = committed(bootstrap, group, produced)
    with pytest.raises(RecordFailed):
        build().run(handler(executor, second, **options))

    assert repr(caught.value.__cause__) == "ValueError('bad order')"
    assert after_first == {0: 20}
    assert min(started(second)) == 20


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_record_that_cannot_be_deserialised_is_one_failed_record(kafka_broker, topic, tmp_path, executor):
    bootstrap = kafka_broker.bootstrap_servers
    name = topic(1)
    for value in (b"1", b"not json", b"3"):
        produced = produce(bootstrap, name, 1, value=value)
    group, history, seen = "g-" + name, History(tmp_path / "history"), []
    handle = handler(executor, history, value_type=int)

    def build(*plugins):
        consumer = consume(bootstrap, name, group, value_deserializer=Json())
        return UntilCommitted(
            consumer, ordering="partition", executor=executor, workers=workers_of(executor), plugins=plugins
        )

    with pytest.raises(RecordFailed, match="@1 failed: JSONDecodeError") as caught:
        build().run(handle)

    assert isinstance(caught.value.__cause__, json.JSONDecodeError)
    assert started(history) == [0]
    assert committed(bootstrap, group, produced) == {0: 1}

    class SkipBadJson:
        @hookimpl
        def on_error(self, record, error, context):
            seen.append((record.value, context.raw.value))
            return Skip("bad json")

    build(SkipBadJson()).run(handle)

    assert seen == [(b"not json", b"not json")]
    assert started(history) == [0, 2]
    assert committed(bootstrap, group, produced) == ends(produced)


@pytest.mark.parametrize(
    ("executor", "kind"),
    [
        *((EXECUTORS[0], kind) for kind in [KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError]),
        *((name, kind) for name in OTHERS for kind in [KeyboardInterrupt, MemoryError]),
    ],
)
def test_what_is_meant_for_the_interpreter_comes_out_of_run(kafka_broker, topic, tmp_path, executor, kind):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(1), 10)
    group, asked = "g-" + produced.topic, []
    handle = handler(executor, History(tmp_path / "history"), fails_at=(5,), error=kind)

    class SkipEverything:
        @hookimpl
        def on_error(self, record, error, context):
            asked.append(error)
            return Skip("whatever")

    consumer = consume(bootstrap, produced.topic, group)
    with pytest.raises(kind):
        UntilCommitted(consumer, executor=executor, workers=workers_of(executor), plugins=[SkipEverything()]).run(
            handle
        )

    assert asked == []
    assert committed(bootstrap, group, produced)[0] <= 5
