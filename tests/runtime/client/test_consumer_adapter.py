"""The client's adapter in states that kafka-python itself never leaves."""

from __future__ import annotations

import pytest
from kafka import TopicPartition

from kafka_parallel._runtime.client.consumer_adapter import Client
from kafka_parallel.testing import FakeCluster, FakeConsumer

PARTITION = TopicPartition("topic", 0)


@pytest.fixture
def consumer():
    cluster = FakeCluster()
    cluster.create_topic("topic")
    consumer = FakeConsumer("topic", cluster=cluster, group_id="group", habits="3.x")
    yield consumer
    consumer.close()


def polled_with(consumer, monkeypatch, part, **state):
    for name, value in state.items():
        monkeypatch.setattr(part, name, value, raising=False)
    Client(consumer).poll(0, 1)


@pytest.mark.parametrize(
    ("rejoining", "rejoin_needed", "asked"), [(True, False, 1), (True, True, 0), (False, False, 0)]
)
def test_a_join_left_half_done_is_asked_for_again(consumer, monkeypatch, rejoining, rejoin_needed, asked):
    requests = []
    state = {"rejoining": rejoining, "rejoin_needed": rejoin_needed}

    polled_with(consumer, monkeypatch, consumer._coordinator, request_rejoin=lambda: requests.append("join"), **state)

    assert len(requests) == asked


@pytest.mark.parametrize(
    ("parked", "current", "after"),
    [({PARTITION: ["record"]}, [], None), ({PARTITION: ["record"]}, ["unread"], ["unread"]), ({}, [], [])],
)
def test_parked_records_are_freed_once_the_current_batch_is_read(consumer, monkeypatch, parked, current, after):
    state = {"_paused_partition_records": parked, "_next_partition_records": current}

    polled_with(consumer, monkeypatch, consumer._fetcher, **state)

    assert consumer._fetcher._next_partition_records == after


@pytest.mark.parametrize(("target", "position"), [(2, 2), (9, 5), (None, None)])
def test_records_that_have_to_be_fetched_again_do_not_undo_a_jump_of_the_program(consumer, target, position):
    """Kind: a handler seeks back after a poll, and then the poll's records turn out to have no room."""
    consumer._cluster.create_topic("other")
    for _ in range(10):
        consumer._cluster.append("topic", b"x")
    client = Client(consumer)
    client.take_over(dict, lambda: None, lambda _: None)
    client.poll(0, 1)
    client.poll(0, 10)
    if target is None:
        consumer._states[PARTITION]._position = None  # as seek_to_beginning() leaves it in the real client
    else:
        consumer.seek(PARTITION, target)

    client.fetch_again(PARTITION, 5)

    assert client.positions([PARTITION]).get(PARTITION) == position
    client.undo_takeover()
