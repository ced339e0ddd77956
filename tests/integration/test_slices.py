"""A real consumer whose handlers are slower than fetching decodes in slices, and nothing else about it changes."""

from __future__ import annotations

import time

import pytest
from kafka.consumer.fetcher import Fetcher

from kafka_parallel._runtime.client import consumer_adapter as client_module
from kafka_parallel._runtime.client import fetcher_patch
from kafka_parallel._runtime.client.slices import REST, Slices
from kafka_parallel.testing.history import History, judge, read
from tests.integration.kafka_app import committed, consume, ends, produce
from tests.integration.until_committed import UntilCommitted

pytestmark = pytest.mark.broker

KEYS = [b"key-%d" % number for number in range(100)]


def test_it_rests_while_workers_are_busy(kafka_broker, topic, tmp_path, monkeypatch):
    rests = []

    def sleep(seconds):
        rests.append(seconds)
        time.sleep(seconds)

    monkeypatch.setattr(client_module, "Slices", lambda: Slices(sleep))
    produced = produce(kafka_broker.bootstrap_servers, topic(4), 3_000, keys=KEYS)
    history = History(tmp_path / "history")
    consumer = consume(kafka_broker.bootstrap_servers, produced.topic, "g-" + produced.topic)

    def handle(record):
        with history.noting(record):
            time.sleep(0.002)

    UntilCommitted(consumer, workers=8, max_buffered_records=600).run(handle)

    verdict = judge(read(history.path), produced, lane="key")
    assert verdict.is_good, verdict
    assert verdict.repeated == 0
    assert committed(kafka_broker.bootstrap_servers, "g-" + produced.topic, produced) == ends(produced)
    assert set(rests) == {REST}
    assert consumer._fetcher.PartitionRecords is Fetcher.PartitionRecords
    assert fetcher_patch.NAME not in vars(consumer._fetcher)
