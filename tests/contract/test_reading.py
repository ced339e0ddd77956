"""The records of poll(), and the first offset: the same for the fake consumer and the real one."""

from __future__ import annotations

import kafka
import pytest
from kafka import TopicPartition
from kafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError

from tests.contract.worlds import read, wait_for_position


def offsets(records):
    return [record.offset for record in records]


def test_a_poll_gives_at_most_so_many_records_in_order(world):
    topic = world.create_topic()
    world.append(topic, 5)
    consumer = world.consumer(topic)

    first = []
    while not first:
        batch = consumer.poll(500, max_records=2)
        first = [record for records in batch.values() for record in records]

    assert offsets(first) == [0, 1]
    assert offsets(read(consumer, 3)) == [2, 3, 4]
    assert consumer.poll(100) == {}


def test_a_record_looks_alike(world):
    topic = world.create_topic()
    world.append(topic)

    (record,) = read(world.consumer(topic), 1)

    assert (record.topic, record.partition, record.offset) == (topic, 0, 0)
    assert (record.key, record.value, list(record.headers)) == (b"k", b"v", [])
    assert (record.serialized_key_size, record.serialized_value_size) == (1, 1)
    assert record.timestamp > 1_600_000_000_000


def test_a_paused_partition_is_not_fetched_and_loses_nothing(world):
    topic = world.create_topic(2)
    world.append(topic, 3, partition=0)
    consumer = world.consumer()
    partitions = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
    consumer.assign(partitions)
    assert len(read(consumer, 3)) == 3

    consumer.pause(partitions[0])
    world.append(topic, 1, partition=0)
    world.append(topic, 1, partition=1)

    assert [(record.partition, record.offset) for record in read(consumer, 1)] == [(1, 0)]
    assert consumer.poll(300) == {}
    assert consumer.paused() == {partitions[0]}
    consumer.resume(partitions[0])
    assert [(record.partition, record.offset) for record in read(consumer, 1)] == [(0, 3)]


def test_seek_goes_back_and_position_follows(world):
    topic = world.create_topic()
    world.append(topic, 3)
    consumer, partition = world.consumer(), TopicPartition(topic, 0)
    consumer.assign([partition])
    read(consumer, 3)
    assert consumer.position(partition) == 3

    consumer.seek(partition, 1)

    assert consumer.position(partition) == 1
    assert offsets(read(consumer, 2)) == [1, 2]


def test_gaps_are_passed_over(world):
    topic = world.create_topic()
    world.append_transaction(topic)
    world.append(topic)
    world.append_transaction(topic)
    consumer, partition = world.consumer(isolation_level="read_committed"), TopicPartition(topic, 0)
    consumer.assign([partition])

    found = offsets(read(consumer, 3))
    assert found == sorted(set(found))
    assert found != [0, 1, 2]  # a broker writes markers a moment after the answer, so not always right behind
    wait_for_position(consumer, partition, 5)


@pytest.mark.parametrize(("reset", "expected"), [("earliest", [0, 1]), ("latest", [2])])
def test_without_a_committed_offset_the_reset_policy_holds(world, reset, expected):
    if kafka.__version__.startswith("2.2."):
        pytest.skip("2.2's position() never returns where the policy decides")
    topic = world.create_topic()
    world.append(topic, 2)
    consumer, partition = world.consumer(auto_offset_reset=reset), TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.position(partition)

    if reset == "latest":
        world.append(topic, 1)

    assert offsets(read(consumer, len(expected))) == expected


def test_without_an_offset_and_a_policy_poll_raises(world):
    topic = world.create_topic()
    world.append(topic)
    consumer = world.consumer(auto_offset_reset="none", group_id=f"g-{topic}")
    consumer.assign([TopicPartition(topic, 0)])

    with pytest.raises(NoOffsetForPartitionError):
        read(consumer, 1)


def test_a_position_that_was_deleted_is_reset(world):
    topic = world.create_topic()
    world.append(topic, 5)
    consumer, partition = world.consumer(), TopicPartition(topic, 0)
    consumer.assign([partition])
    world.delete_before(topic, 3)

    consumer.seek(partition, 1)

    assert offsets(read(consumer, 2)) == [3, 4]


def test_a_position_that_was_deleted_raises_without_a_policy(world):
    topic = world.create_topic()
    world.append(topic, 5)
    world.delete_before(topic, 3)
    consumer, partition = world.consumer(auto_offset_reset="none"), TopicPartition(topic, 0)
    consumer.assign([partition])

    consumer.seek(partition, 1)

    with pytest.raises(OffsetOutOfRangeError):
        read(consumer, 1)


def test_a_consumer_without_a_group_reads_and_cannot_commit(world):
    topic = world.create_topic()
    world.append(topic, 2)
    consumer = world.consumer(topic, group_id=None)

    assert len(read(consumer, 2)) == 2
    with pytest.raises(Exception, match="Requires group_id"):
        consumer.commit()


def test_an_iteration_ends_after_the_timeout(world):
    topic = world.create_topic()
    world.append(topic, 3)
    consumer = world.consumer(topic, consumer_timeout_ms=2000)

    assert offsets(consumer) == [0, 1, 2]


@pytest.mark.filterwarnings("ignore:value_deserializer does not implement")
def test_deserialisers_run_inside_poll(world):
    topic = world.create_topic()
    world.append(topic)
    consumer = world.consumer(topic, value_deserializer=lambda data: data.decode().upper())

    (record,) = read(consumer, 1)

    assert (record.key, record.value, record.serialized_value_size) == (b"k", "V", 1)


def test_a_closed_consumer_cannot_poll(world):
    consumer = world.consumer(world.create_topic())
    consumer.close()
    consumer.close()

    with pytest.raises(Exception, match="closed"):
        consumer.poll()


def test_ends_and_topics_are_known(world):
    topic = world.create_topic(2)
    world.append(topic, 3, partition=1)
    consumer = world.consumer()
    partitions = [TopicPartition(topic, 0), TopicPartition(topic, 1)]

    assert consumer.end_offsets(partitions) == {partitions[0]: 0, partitions[1]: 3}
    assert consumer.beginning_offsets(partitions) == dict.fromkeys(partitions, 0)
    assert consumer.partitions_for_topic(topic) == {0, 1}
    assert topic in consumer.topics()


def test_an_unknown_option_is_refused(world):
    with pytest.raises(Exception, match=r"(?i)unrecognized configs"):
        world.consumer(auto_offset_rest="earliest")
