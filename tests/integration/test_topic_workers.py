"""The plugin ``topic-workers`` on a real broker: a topic has its places, and urgent records find a worker."""

from __future__ import annotations

import threading

import pytest
from kafka import KafkaConsumer

from kafka_parallel import ParallelConsumer
from tests.integration.kafka_app import KEYS, PATIENCE, produce

pytestmark = pytest.mark.broker
BULK, URGENT, MOST = 60, 20, 2


class Running:
    """Counts the handlers of each topic that run at once, apart from the library.

    :ivar peaks: the most of them, per topic.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._now, self.peaks, self.handled = {}, {}, []

    def begin(self, topic):
        with self._lock:
            self._now[topic] = self._now.get(topic, 0) + 1
            self.peaks[topic] = max(self.peaks.get(topic, 0), self._now[topic])

    def end(self, record):
        with self._lock:
            self._now[record.topic] -= 1
            self.handled.append((record.topic, record.partition, record.offset))


def test_urgent_records_are_handled_while_a_flood_holds_all_its_places(kafka_broker, topic):
    """The flood's handlers go on only after the last urgent record: without free workers nothing would end."""
    bootstrap, bulk, urgent = kafka_broker.bootstrap_servers, topic(2), topic(2)
    flood = produce(bootstrap, bulk, BULK, keys=KEYS)
    running, is_done, first = Running(), threading.Event(), threading.Lock()

    def handle(record):
        running.begin(record.topic)
        if record.topic == bulk:
            if first.acquire(blocking=False):
                produce(bootstrap, urgent, URGENT, keys=KEYS)  # only now, beside the flood
            assert is_done.wait(PATIENCE), "no worker was free for urgent records"
        running.end(record)
        if sum(place[0] == urgent for place in running.handled) == URGENT:
            is_done.set()
        if len(running.handled) == BULK + URGENT:
            parallel.stop()

    consumer = KafkaConsumer(
        bulk, urgent, bootstrap_servers=bootstrap, group_id="g-" + bulk, auto_offset_reset="earliest",
        metadata_max_age_ms=5_000, consumer_timeout_ms=int(PATIENCE * 1000),
    )  # fmt: skip
    plugin = ("topic-workers", {"at_most": {bulk: MOST}, "urgent": [urgent], "reserved": 2})
    parallel = ParallelConsumer(consumer, workers=4, plugins=[plugin], install_signal_handlers=False)
    parallel.run(handle)

    expected = [(bulk, partition, offset) for partition, keys in flood.keys.items() for offset in keys]
    assert sorted(place for place in running.handled if place[0] == bulk) == sorted(expected)
    assert len(set(running.handled)) == BULK + URGENT
    assert running.peaks[bulk] == MOST
