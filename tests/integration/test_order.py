"""Every record once, in order, and everything committed."""

from __future__ import annotations

import random
import time

import pytest

from kafka_parallel import Batch
from kafka_parallel.testing.history import History, judge, read
from tests.integration.handlers import EXECUTORS, OTHERS, handler
from tests.integration.kafka_app import committed, consume, ends, produce
from tests.integration.until_committed import UntilCommitted

pytestmark = pytest.mark.broker

KEYS = [b"key-%d" % number for number in range(1000)]


@pytest.mark.parametrize(
    ("executor", "ordering"),
    [
        *((EXECUTORS[0], ordering) for ordering in ["key", "partition", "unordered"]),
        *((name, "key") for name in OTHERS),
    ],
)
def test_every_record_is_handled_once_and_in_order(kafka_broker, topic, tmp_path, executor, ordering):
    count = 20_000
    produced = produce(kafka_broker.bootstrap_servers, topic(4), count, keys=KEYS)
    history = History(tmp_path / "history")
    consumer = consume(kafka_broker.bootstrap_servers, produced.topic, "g-" + produced.topic)

    workers = 4 if executor == "process-pool" else 64
    UntilCommitted(consumer, workers=workers, ordering=ordering, executor=executor).run(
        handler(executor, history, longest_ms=4)
    )

    verdict = judge(read(history.path), produced, lane={"unordered": "none"}.get(ordering, ordering))
    assert verdict.is_good, verdict
    assert verdict.records == count
    assert verdict.repeated == 0
    assert committed(kafka_broker.bootstrap_servers, "g-" + produced.topic, produced) == ends(produced)


@pytest.mark.parametrize("scope", ["key", "partition", "mixed"])
def test_batches_hold_every_record_once_and_in_order(kafka_broker, topic, tmp_path, scope):
    count = 5_000
    produced = produce(kafka_broker.bootstrap_servers, topic(4), count, keys=KEYS[:100])
    history = History(tmp_path / "history")
    consumer = consume(kafka_broker.bootstrap_servers, produced.topic, "g-" + produced.topic)

    def handle(records):
        for record in records:
            with history.noting(record):
                pass
        time.sleep(random.random() * 0.004)

    UntilCommitted(consumer).run(handle, batch=Batch(max_records=50, max_wait_ms=20, of=scope))

    verdict = judge(read(history.path), produced)
    assert verdict.is_good, verdict
    assert verdict.records == count
    assert verdict.repeated == 0
    assert committed(kafka_broker.bootstrap_servers, "g-" + produced.topic, produced) == ends(produced)


@pytest.mark.parametrize("null_keys", ["unordered", "partition"])
def test_records_without_a_key_are_in_order_only_if_asked_for(kafka_broker, topic, tmp_path, null_keys):
    produced = produce(kafka_broker.bootstrap_servers, topic(2), 2_000)
    history = History(tmp_path / "history")
    consumer = consume(kafka_broker.bootstrap_servers, produced.topic, "g-" + produced.topic)
    plugins = [("key-ordered", {"null_keys": null_keys})]

    UntilCommitted(consumer, plugins=plugins).run(history.recording(lambda record: time.sleep(random.random() * 0.002)))

    verdict = judge(read(history.path), produced, lane="partition")
    assert verdict.lost == []
    assert bool(verdict.overlapping) == (null_keys == "unordered")


def test_a_function_can_say_what_has_to_stay_in_order(kafka_broker, topic, tmp_path):
    produced = produce(kafka_broker.bootstrap_servers, topic(2), 2_000, keys=KEYS)
    history = History(tmp_path / "history")
    consumer = consume(kafka_broker.bootstrap_servers, produced.topic, "g-" + produced.topic)

    UntilCommitted(consumer, ordering=lambda record: record.partition % 2).run(
        history.recording(lambda record: time.sleep(random.random() * 0.001))
    )

    assert judge(read(history.path), produced, lane="partition").is_good
