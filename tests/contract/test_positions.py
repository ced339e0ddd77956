"""The client's position in a partition, as the library reads it: the same for the fake consumer and the real one."""

from __future__ import annotations

import time

import pytest
from kafka import TopicPartition

from tests.contract.worlds import position_of, read, wait_for_position


def offsets(records):
    return [record.offset for record in records]


@pytest.mark.parametrize("isolation", ["read_committed", "read_uncommitted"])
def test_aborted_records_are_passed_over_with_read_committed_only(world, isolation):
    topic = world.create_topic()
    world.append_transaction(topic, 3, commits=False)
    consumer, partition = world.consumer(isolation_level=isolation), TopicPartition(topic, 0)
    consumer.assign([partition])

    assert offsets(read(consumer, 3 if isolation == "read_uncommitted" else 0)) == (
        [0, 1, 2] if isolation == "read_uncommitted" else []
    )
    wait_for_position(consumer, partition, 4)


@pytest.mark.parametrize("reset", ["earliest", "latest"])
def test_a_partition_without_a_record_has_a_position_after_some_polls(world, reset):
    topic = world.create_topic()
    consumer, partition = world.consumer(auto_offset_reset=reset, group_id=f"g-{topic}"), TopicPartition(topic, 0)
    consumer.assign([partition])
    assert position_of(consumer, partition) is None

    wait_for_position(consumer, partition, 0)


def test_a_paused_partition_has_a_position_too(world):
    topic = world.create_topic()
    world.append(topic, 2)
    consumer, partition = world.consumer(auto_offset_reset="latest"), TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.pause(partition)

    wait_for_position(consumer, partition, 2)


def test_a_position_is_behind_what_was_handed_out_and_nothing_else(world):
    """Records that the client has fetched and not handed out yet do not count."""
    topic = world.create_topic()
    world.append(topic, 5)
    consumer, partition = world.consumer(), TopicPartition(topic, 0)
    consumer.assign([partition])

    first = poll_until_records(consumer, max_records=2)

    assert offsets(first) == [0, 1]
    assert position_of(consumer, partition) == 2


def poll_until_records(consumer, max_records):
    deadline = time.monotonic() + 10
    while not (batch := consumer.poll(100, max_records=max_records)) and time.monotonic() < deadline:
        pass
    return [record for records in batch.values() for record in records]


def test_an_offset_beyond_the_end_is_reset_although_nothing_comes(world):
    topic = world.create_topic()
    world.append(topic, 3)
    consumer, partition = world.consumer(auto_offset_reset="latest"), TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek(partition, 50)

    wait_for_position(consumer, partition, 3)
