"""The progress of a consumer on a real broker equals the numbers of a client that only asks the broker.

Kind: a number that an operator trusts leaves records out: behind markers, above a stuck head, in a paused partition.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager

import pytest
from kafka import TopicPartition

from kafka_parallel import ParallelConsumer
from kafka_parallel._core import log_ends
from tests.integration.kafka_app import consume, observer, produce, wait_for
from tests.integration.test_positions import send, send_transaction
from tests.joined_at_once import know_topics

pytestmark = pytest.mark.broker

QUICK = {"auto_commit_interval_ms": 200, "consumer_timeout_ms": float("inf")}


def hold(record):
    """Stay in a process until it is killed."""
    time.sleep(600)  # held in the process


@contextmanager
def running(bootstrap, topic, handler=lambda _: None, config=None, **options):
    consumer = consume(bootstrap, topic, f"g-{topic}", **{**QUICK, **(config or {})})
    know_topics(consumer)
    parallel = ParallelConsumer(consumer, workers=4, **options)
    parallel.start(handler)
    try:
        yield parallel, consumer
    finally:
        parallel.stop()
        parallel.join()


def asked(bootstrap, topic, count):
    """The ends of the log and the committed offsets, of each partition, as another client learns them."""
    partitions = [TopicPartition(topic, number) for number in range(count)]
    with observer(bootstrap, f"g-{topic}") as client:
        ends = client.end_offsets(partitions)
        return {partition: (ends[partition], client.committed(partition)) for partition in partitions}


def told(parallel):
    return {partition: (seen.log_end, seen.committed) for partition, seen in parallel.progress().items()}


def is_at_rest(parallel, bootstrap, topic, count=1):
    """Tell whether all is committed, and both say so."""
    broker = asked(bootstrap, topic, count)
    return all(end == committed for end, committed in broker.values()) and told(parallel) == broker


@pytest.mark.timeout(180)
def test_at_rest_each_number_equals_that_of_a_client_that_asks_the_broker(kafka_broker, topic):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(3)
    produce(bootstrap, name, 500, keys=[b"key-%d" % number for number in range(50)])
    with running(bootstrap, name) as (parallel, _):
        for more in (0, 1, 70):
            sent = send(bootstrap, name, 1, more)
            wait_for(lambda: is_at_rest(parallel, bootstrap, name, 3), f"rest after {len(sent)} more")
            seen = parallel.progress()
            assert [found.lag for found in seen.values()] == [0, 0, 0]
            assert [found.committed_lag for found in seen.values()] == [0, 0, 0]
            assert [found.head_offset for found in seen.values()] == [None] * 3


@pytest.mark.timeout(180)
@pytest.mark.parametrize("isolation", ["read_committed", "read_uncommitted"])
@pytest.mark.parametrize("commits", [True, False])
def test_behind_the_markers_of_transactions_nothing_is_left(kafka_broker, topic, isolation, commits):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(1)
    send(bootstrap, name, 0, 5)
    with running(bootstrap, name, config={"isolation_level": isolation}) as (parallel, _):
        send_transaction(bootstrap, name, 3, commits=commits)
        wait_for(lambda: is_at_rest(parallel, bootstrap, name), "rest")

        [seen] = parallel.progress().values()
        assert (seen.log_end, seen.position, seen.lag, seen.committed_lag) == (9, 9, 0, 0)


@pytest.mark.timeout(180)
def test_a_stuck_record_with_all_above_it_done_is_one_left(kafka_broker, topic):
    bootstrap, name, go_on = kafka_broker.bootstrap_servers, topic(1), threading.Event()
    produce(bootstrap, name, 300, keys=[b"key-%d" % number for number in range(50)])

    def handle(record):
        if record.offset == 7:
            go_on.wait(120)

    with running(bootstrap, name, handle) as (parallel, _):
        wait_for(lambda: parallel.statistics().processed == 299 - 5, "all but one key to be done", 60)
        wait_for(lambda: told(parallel) == asked(bootstrap, name, 1) == {TopicPartition(name, 0): (300, 7)}, "a commit")
        [seen] = parallel.progress().values()
        [head] = parallel.running(places=True)
        go_on.set()
        wait_for(lambda: is_at_rest(parallel, bootstrap, name), "the rest")
        [after] = parallel.progress().values()

    assert (seen.position, seen.unfinished, seen.lag, seen.committed_lag, seen.head_offset) == (300, 6, 6, 293, 7)
    assert abs(seen.head_timestamp_ms - time.time() * 1000) < 180_000
    assert (head.offset, head.key) == (7, b"key-7")
    assert head.place.startswith(f"{__file__}:")
    assert (after.lag, after.committed_lag) == (0, 0)


@pytest.mark.timeout(180)
def test_a_paused_partition_is_asked_about(kafka_broker, topic, monkeypatch):
    monkeypatch.setattr(log_ends, "ASK_AFTER", 1.0)
    monkeypatch.setattr(log_ends, "LOOK", 0.5)
    bootstrap, name = kafka_broker.bootstrap_servers, topic(1)
    send(bootstrap, name, 0, 5)
    with running(bootstrap, name) as (parallel, consumer):
        wait_for(lambda: is_at_rest(parallel, bootstrap, name), "rest")
        consumer.pause(TopicPartition(name, 0))
        send(bootstrap, name, 0, 40)
        wait_for(lambda: [seen.lag for seen in parallel.progress().values()] == [40], "the question to be answered")
        [seen] = parallel.progress().values()
        assert (seen.log_end, seen.position, seen.unfinished, seen.paused_by) == (45, 5, 0, ("user",))
        assert parallel.statistics().since_poll_ms < 5000
        consumer.resume(TopicPartition(name, 0))
        wait_for(lambda: is_at_rest(parallel, bootstrap, name), "the rest")

    assert parallel.statistics().processed == 45


@pytest.mark.timeout(180)
def test_a_worker_process_is_told_with_its_line(kafka_broker, topic):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(1)
    send(bootstrap, name, 0, 1)
    options = {"executor": "process-pool", "stop_timeout_ms": 100}
    with running(bootstrap, name, hold, **options) as (parallel, _):
        wait_for(lambda: len(parallel.running()) == 1, "the handler to begin")
        wait_for(lambda: (parallel.running(places=True)[0].place or "").startswith(__file__), "the handler's own line")
        [found] = parallel.running()

    assert found.offset == 0
    assert int(found.worker) != os.getpid()
