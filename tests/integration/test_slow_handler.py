"""A handler may take as long as it likes: the member stays, other keys and partitions go on."""

from __future__ import annotations

import threading
import time

import pytest

from kafka_parallel import ParallelConsumer
from kafka_parallel.testing.history import History, judge, read
from tests.integration.kafka_app import committed, consume, ends, produce, wait_for

pytestmark = pytest.mark.broker


def test_a_handler_longer_than_max_poll_interval_does_not_cost_the_membership(kafka_broker, topic, tmp_path):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(2), 200, keys=[b"key-%d" % number for number in range(20)])
    stuck = (min(produced.keys), 0)
    history, group, others = History(tmp_path / "history"), "g-" + produced.topic, threading.Event()
    consumer = consume(
        bootstrap,
        produced.topic,
        group,
        max_poll_interval_ms=2_000,
        session_timeout_ms=6_000,
        heartbeat_interval_ms=500,
    )
    finished = []

    def handle(record):
        if (record.partition, record.offset) == stuck:
            time.sleep(5)
            others.wait(10)
        finished.append(record)

    with ParallelConsumer(consumer, workers=8, revoke_timeout_ms=1_000) as parallel:
        parallel.start(history.recording(handle))
        key = produced.keys[stuck[0]][stuck[1]]
        behind = sum(1 for other in produced.keys[stuck[0]].values() if other == key)
        wait_for(lambda: len(finished) == 200 - behind, "all other keys to be finished")
        others.set()
        wait_for(lambda: len(finished) == 200, "the stuck key to be finished")

    verdict = judge(read(history.path), produced)
    assert verdict.is_good, verdict
    assert verdict.repeated == 0
    assert committed(bootstrap, group, produced) == ends(produced)
