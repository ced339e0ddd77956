"""The ends of logs, as the library reads them and asks for them: the same for the fake consumer and the real one."""

from __future__ import annotations

import time

import pytest
from kafka import TopicPartition

from kafka_parallel._core.log_ends import FetchedEnd
from kafka_parallel._runtime.client.client_partitions import ClientPartitions
from kafka_parallel._runtime.client.stable_ends import asks_as_broker
from tests.contract.worlds import PATIENCE, read, wait_for_position


def fetched_end(consumer, partition):
    return ClientPartitions(consumer).fetched_ends()[partition]


def asked_end(consumer, partition):
    """Ask, and poll until there is an answer with the end; ask again if it is an error, as the loop does."""
    deadline, answers = time.monotonic() + PATIENCE, [{}]
    while partition not in answers[-1]:
        assert time.monotonic() < deadline, f"waited {PATIENCE} s for the end of {partition}: {answers}"
        count = len(answers)
        ClientPartitions(consumer).ask_for_ends([partition], answers.append)
        for _ in range(50):
            if len(answers) > count:
                break
            consumer.poll(100)
    return answers[-1][partition]


@pytest.fixture
def one(world):
    """A topic with three records, and a consumer of it that is at none of them."""
    topic = world.create_topic()
    world.append(topic, 3)
    consumer, partition = world.consumer(), TopicPartition(topic, 0)
    consumer.assign([partition])
    return topic, consumer, partition


def test_before_the_first_fetch_an_end_is_not_known(one):
    _, consumer, partition = one

    assert fetched_end(consumer, partition) == FetchedEnd(None, is_current=False)


def test_a_fetch_tells_the_end_and_the_client_comes_to_stand_there(one):
    _, consumer, partition = one
    read(consumer, 3)

    assert fetched_end(consumer, partition) == FetchedEnd(3, is_current=True)
    assert consumer.highwater(partition) == 3


def test_an_end_is_told_with_the_first_of_many_records(one):
    _, consumer, partition = one
    while not consumer.poll(100, max_records=1):
        pass

    assert fetched_end(consumer, partition) == FetchedEnd(3, is_current=False)


def test_a_paused_partition_hears_of_nothing_and_has_to_be_asked_for(world, one):
    topic, consumer, partition = one
    read(consumer, 3)
    consumer.pause(partition)
    world.append(topic, 4)
    for _ in range(5):
        assert consumer.poll(100) == {}

    assert fetched_end(consumer, partition) == FetchedEnd(3, is_current=False)
    assert asked_end(consumer, partition) == 7


def test_a_question_moves_nothing(one):
    _, consumer, partition = one
    read(consumer, 3)
    ClientPartitions(consumer).ask_for_ends([partition], lambda _: None)

    assert asked_end(consumer, partition) == 3
    wait_for_position(consumer, partition, 3)


@pytest.mark.parametrize("isolation", ["read_committed", "read_uncommitted"])
def test_both_count_the_marker_of_a_transaction(world, isolation):
    topic = world.create_topic()
    world.append_transaction(topic, 2)
    consumer, partition = world.consumer(isolation_level=isolation), TopicPartition(topic, 0)
    consumer.assign([partition])
    read(consumer, 2)
    wait_for_position(consumer, partition, 3)

    assert fetched_end(consumer, partition) == FetchedEnd(3, is_current=True)
    assert asked_end(consumer, partition) == 3


@pytest.mark.parametrize("isolation", ["read_committed", "read_uncommitted"])
def test_both_are_the_high_watermark_while_a_transaction_is_open(world, isolation):
    """The client's own ``end_offsets()`` stops at the transaction with read_committed, unless it asks as a broker."""
    topic = world.create_topic()
    world.append(topic, 1)
    consumer, partition = world.consumer(isolation_level=isolation), TopicPartition(topic, 0)
    with world.open_transaction(topic, 2):
        consumer.assign([partition])
        read(consumer, 1 if isolation == "read_committed" else 3)

        assert fetched_end(consumer, partition).offset == 3
        assert asked_end(consumer, partition) == 3
        stops = isolation == "read_committed" and not asks_as_broker(consumer._fetcher)
        assert consumer.end_offsets([partition]) == {partition: 1 if stops else 3}
