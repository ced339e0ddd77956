"""Buffered records stay under the limits, and a stuck key stops no other."""

from __future__ import annotations

import threading
import time

import pytest
from kafka import TopicPartition

from kafka_parallel import ParallelConsumer, hookimpl
from tests.integration.kafka_app import PATIENCE, consume, produce, wait_for

pytestmark = pytest.mark.broker


class Events:
    def __init__(self):
        self.heard = []

    @hookimpl
    def on_backpressure(self, event):
        self.heard.append(event)


def test_a_slow_handler_fills_the_buffer_up_to_its_limits_and_no_further(kafka_broker, topic):
    bootstrap, events, samples = kafka_broker.bootstrap_servers, Events(), []
    produced = produce(
        bootstrap, topic(4), 100_000, keys=[b"key-%d" % number for number in range(100)], value=b"v" * 2048
    )
    consumer = consume(bootstrap, produced.topic, "g-" + produced.topic)
    parallel = ParallelConsumer(
        consumer,
        workers=8,
        plugins=[events],
        max_buffered_records=1000,
        max_buffered_bytes=1 << 20,
        stop_timeout_ms=100,
    )

    with parallel:
        parallel.start(lambda record: time.sleep(0.02))
        wait_for(lambda: bool(parallel.statistics().paused), "a partition to be paused")
        for _ in range(200):
            samples.append(parallel.statistics())
            time.sleep(0.01)

    assert max(sample.buffered for sample in samples) <= 1000
    assert 0 < max(sample.buffered_bytes for sample in samples) <= 1 << 20
    assert events.heard
    assert {reason for event in events.heard for reason in event.paused.values()} <= {"records", "bytes"}


def test_a_stuck_key_never_stops_another_partition(kafka_broker, topic):
    bootstrap, release, handled = kafka_broker.bootstrap_servers, threading.Event(), []
    name = topic(2)
    produced = produce(bootstrap, name, 4_000, keys=[b"key-%d" % number for number in range(40)])
    stuck = TopicPartition(name, 0)
    consumer = consume(bootstrap, name, "g-" + name)

    def handle(record):
        if (record.partition, record.offset) == (0, 0):
            release.wait(30)
        handled.append((record.partition, record.offset))

    parallel = ParallelConsumer(consumer, workers=4, max_buffered_records=500, max_uncommitted=200)
    with parallel:
        parallel.start(handle)
        others = len(produced.keys[1])
        wait_for(lambda: sum(partition == 1 for partition, _ in handled) == others, "the other partition to be handled")
        wait_for(lambda: parallel.statistics().paused == {stuck}, "the stuck partition alone to be paused")
        release.set()
        wait_for(lambda: len(handled) == 4_000, "everything to be handled")


def test_a_partition_that_was_paused_waits_for_no_fetch_of_an_empty_one(kafka_broker, topic):
    """One fetch is on its way to a node at a time, and the broker keeps it while the other partition has nothing."""
    bootstrap, release, handled = kafka_broker.bootstrap_servers, threading.Event(), []
    name = topic(2)
    (busy,) = produce(bootstrap, name, 20, keys=[b"key"]).keys
    waits = {"fetch_max_wait_ms": 290_000, "request_timeout_ms": 305_000, "consumer_timeout_ms": 3_600_000}
    consumer = consume(bootstrap, name, "g-" + name, **waits)

    def handle(record):
        assert release.wait(PATIENCE)
        handled.append(record.offset)

    parallel = ParallelConsumer(consumer, workers=1, max_buffered_records=2)
    with parallel:
        parallel.start(handle)
        wait_for(lambda: TopicPartition(name, busy) in parallel.statistics().paused, "it to be paused")
        release.set()
        wait_for(lambda: len(handled) == 20, "all records to be handled")
        produce(bootstrap, name, 1, keys=[b"key"])
        wait_for(lambda: len(handled) == 21, "the record after them to be handled")


def bare_pause(bootstrap, name, partition):
    """The bare client's answer to a pause: the calls it gets while it is held, and the records that come then."""
    consumer = consume(bootstrap, name, "bare-" + name)
    wait_for(lambda: consumer.poll(200), "the first records")
    consumer.pause(partition)
    consumer.poll(0)
    held = (consumer.paused(), consumer.poll(500))
    consumer.resume(partition)
    wait_for(lambda: consumer.poll(200), "records after the resume")
    consumer.close()
    return held


def test_a_pause_of_the_user_outlives_the_one_of_back_pressure_as_on_the_bare_client(kafka_broker, topic):
    bootstrap, go_on, handled = kafka_broker.bootstrap_servers, threading.Event(), []
    name = topic(1)
    partition = TopicPartition(name, 0)
    produce(bootstrap, name, 2_000)
    assert bare_pause(bootstrap, name, partition) == ({partition}, {})
    consumer = consume(bootstrap, name, "g-" + name, max_poll_records=50, consumer_timeout_ms=float("inf"))

    def handle(record):
        assert go_on.wait(180)
        handled.append(record.offset)

    parallel = ParallelConsumer(consumer, ordering="unordered", workers=4, max_buffered_records=100)
    with parallel:
        parallel.start(handle)
        wait_for(lambda: parallel.statistics().paused == {partition}, "back-pressure to pause the partition")
        assert consumer.paused() == set(), "the user has paused nothing"
        consumer.pause(partition)
        assert consumer.paused() == {partition}
        go_on.set()
        wait_for(lambda: not parallel.statistics().paused and not parallel.statistics().buffered, "all to be handled")
        at_rest = len(handled)
        wait_for(lambda: parallel.statistics().committed.get(partition) == at_rest, "the loop to come round many times")
        assert (consumer.paused(), len(handled)) == ({partition}, at_rest)
        assert at_rest < 2_000
        consumer.resume(partition)
        wait_for(lambda: len(handled) == 2_000, "everything to be handled")
    assert sorted(handled) == list(range(2_000))
