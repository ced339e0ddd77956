"""Transactions of a producer with the offsets of a group: the same with the fake cluster and a real one."""

from __future__ import annotations

import time

import pytest
from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import CommitFailedError, KafkaError, ProducerFencedError

from kafka_parallel_plugins.exactly_once.transactional_producer import TransactionalProducer
from tests.contract.worlds import PATIENCE, poll_together, read

OFFSETS = OffsetAndMetadata(1, "", -1)


@pytest.fixture
def world_3(world):
    if not world.is_3:
        pytest.skip("2.x tells no membership, and the plugin refuses it")
    return world


@pytest.fixture
def topics(world_3):
    return world_3.create_topic(), world_3.create_topic()


def member(world, topic, group):
    """A consumer that has read the record of *topic*."""
    world.append(topic)
    consumer = world.consumer(topic, group_id=group, isolation_level="read_committed")
    read(consumer, 1)
    return consumer


def transactional(world, name):
    producer = world.producer(transactional_id=name, retry_backoff_ms=10)
    producer.init_transactions()
    return producer


def begin_with(producer, topic, value):
    """Begin a transaction that has a record of *topic*, which the broker has."""
    producer.begin_transaction()
    producer.send(topic, value=value, key=b"k").get(10)


def values(world, topic, *, is_open=False):
    """The values that a reader with read_committed sees, up to where it can read.

    :param is_open: whether a transaction is open; else the end of the last may still be on its way to the topic.
    """
    consumer, all_there_is = world.consumer(isolation_level="read_committed"), world.consumer()
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    deadline = time.monotonic() + PATIENCE
    while not is_open and world.stable_end(partition) != all_there_is.end_offsets([partition])[partition]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    end, found = world.stable_end(partition), []
    while consumer.position(partition) < end:
        assert time.monotonic() < deadline
        for records in consumer.poll(200).values():
            found += [record.value for record in records]
    consumer.close()
    all_there_is.close()
    return found


def test_records_and_offsets_are_there_after_the_commit_and_not_before(world_3, topics):
    source, target = topics
    consumer, producer = member(world_3, source, "g-" + source), transactional(world_3, source)
    partition = TopicPartition(source, 0)

    begin_with(producer, target, b"a")
    producer.send_offsets_to_transaction({partition: OFFSETS}, consumer.group_metadata())
    assert values(world_3, target, is_open=True) == []
    producer.commit_transaction()

    assert values(world_3, target) == [b"a"]
    assert consumer.committed(partition) == 1
    producer.close()


def test_nothing_of_an_aborted_one_is_there_and_the_next_is(world_3, topics):
    source, target = topics
    consumer, producer = member(world_3, source, "g-" + source), transactional(world_3, source)
    partition = TopicPartition(source, 0)

    begin_with(producer, target, b"a")
    producer.send_offsets_to_transaction({partition: OFFSETS}, consumer.group_metadata())
    producer.abort_transaction()
    assert consumer.committed(partition) is None
    begin_with(producer, target, b"b")
    producer.commit_transaction()

    assert values(world_3, target) == [b"b"]
    producer.close()


def test_a_member_of_an_earlier_generation_is_refused_and_can_abort(world_3, topics):
    source, target = topics
    group = "g-" + source
    first, producer = member(world_3, source, group), transactional(world_3, source)
    before = first.group_metadata()
    second = world_3.consumer(source, group_id=group)
    poll_together(first, second, until=lambda: first.group_metadata().generation_id > before.generation_id)

    begin_with(producer, target, b"a")
    with pytest.raises(CommitFailedError):
        producer.send_offsets_to_transaction({TopicPartition(source, 0): OFFSETS}, before)
    with pytest.raises(KafkaError):
        producer.commit_transaction()
    producer.abort_transaction()

    begin_with(producer, target, b"b")
    producer.commit_transaction()
    assert values(world_3, target) == [b"b"]
    producer.close()


@pytest.fixture
def refused(world_3, topics):
    """A member, and its producer whose offsets of the first topic were refused because it has joined anew."""
    moved = TopicPartition(topics[0], 0)
    group = "g-" + moved.topic
    first, producer = member(world_3, moved.topic, group), transactional(world_3, moved.topic)
    before = first.group_metadata()
    second = world_3.consumer(moved.topic, group_id=group)
    poll_together(first, second, until=lambda: first.group_metadata().generation_id > before.generation_id)
    producer.begin_transaction()
    with pytest.raises(CommitFailedError):
        producer.send_offsets_to_transaction({moved: OFFSETS}, before)
    producer.abort_transaction()
    yield first, producer
    producer.close()


def test_offsets_that_were_refused_are_sent_with_the_next_transaction(refused, topics):
    """This is the client's: the partition may be another member's by then."""
    first, producer = refused
    moved, stays = (TopicPartition(topic, 0) for topic in topics)

    producer.begin_transaction()
    producer.send_offsets_to_transaction({stays: OFFSETS}, "g-" + moved.topic)
    producer.commit_transaction()

    assert (first.committed(stays), first.committed(moved)) == (1, 1)


def test_the_plugin_keeps_them_out_of_it(refused, topics):
    first, producer = refused
    moved, stays = (TopicPartition(topic, 0) for topic in topics)
    transactions, until = TransactionalProducer(producer, time.monotonic), time.monotonic() + PATIENCE

    transactions.begin_next(until)
    transactions.send_offsets({stays: OFFSETS}, "g-" + moved.topic, until)
    transactions.end_by_commit(until)

    assert (first.committed(stays), first.committed(moved)) == (1, None)


def test_a_second_producer_of_an_id_ends_the_first(world_3, topics):
    _, target = topics
    first = transactional(world_3, target)
    begin_with(first, target, b"a")

    second = transactional(world_3, target)
    with pytest.raises((ProducerFencedError, KafkaError)):
        first.commit_transaction()
    begin_with(second, target, b"b")
    second.commit_transaction()

    assert values(world_3, target) == [b"b"]
    second.close()


def test_a_transaction_takes_no_more_than_its_time(world_3, topics):
    _, target = topics
    producer = world_3.producer(transactional_id=target, transaction_timeout_ms=1000, retry_backoff_ms=10)
    producer.init_transactions()
    begin_with(producer, target, b"a")

    deadline = time.monotonic() + PATIENCE
    while world_3.stable_end(TopicPartition(target, 0)) == 0:
        assert time.monotonic() < deadline
        time.sleep(0.1)

    with pytest.raises(KafkaError):
        producer.commit_transaction()
    assert values(world_3, target) == []


def test_a_membership_tells_the_group_and_the_generation(world_3, topics):
    source, _ = topics
    consumer = member(world_3, source, "g-" + source)

    found = consumer.group_metadata()

    assert found.group_id == "g-" + source
    assert found.generation_id >= 1
    assert found.member_id
