"""The assumptions of taking a consumer over: when a client drops parsed records, and how it hears of being fenced."""

from __future__ import annotations

import time

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import FencedInstanceIdError

from kafka_parallel._runtime.client.fencing import is_fenced
from kafka_parallel._runtime.client.prefetched import forget_parsed
from tests.contract.worlds import PATIENCE, read

# Plain functions as deserialisers, which kafka-python 3 still takes, and warns of.
pytestmark = pytest.mark.filterwarnings("ignore:value_deserializer does not:DeprecationWarning")


def upper(data):
    return data.decode().upper()


def take(consumer, count):
    """Poll for exactly *count* records."""
    found, deadline = [], time.monotonic() + PATIENCE
    while len(found) < count:
        assert time.monotonic() < deadline
        for records in consumer.poll(200, max_records=count - len(found)).values():
            found += records
    return [(record.offset, record.value) for record in found]


def test_what_was_parsed_keeps_its_deserialiser_until_it_is_drained(world):
    topic = world.create_topic()
    world.append(topic, 9)
    partition = TopicPartition(topic, 0)
    consumer = world.consumer(topic, group_id="parsed-" + topic, value_deserializer=upper)

    assert take(consumer, 2) == [(0, "V"), (1, "V")]
    consumer._fetcher.config["value_deserializer"] = None
    consumer.seek(partition, consumer.position(partition))
    assert take(consumer, 2) == [(2, "V"), (3, "V")]  # a seek to where it is drops nothing
    forget_parsed(consumer._fetcher)
    assert consumer.position(partition) == 4
    assert take(consumer, 5) == [(offset, b"v") for offset in range(4, 9)]


def test_a_seek_elsewhere_drops_what_was_parsed(world):
    topic = world.create_topic()
    world.append(topic, 4)
    consumer = world.consumer(topic, group_id="parsed-" + topic, value_deserializer=upper)

    assert take(consumer, 2) == [(0, "V"), (1, "V")]
    consumer._fetcher.config["value_deserializer"] = None
    consumer.seek(TopicPartition(topic, 0), 1)
    assert take(consumer, 3) == [(1, b"v"), (2, b"v"), (3, b"v")]


@pytest.mark.skipif("group_instance_id" not in KafkaConsumer.DEFAULT_CONFIG, reason="2.2 has no static members")
def test_a_fenced_member_delivers_on_and_2_says_so_once(world):
    topic = world.create_topic()
    world.append(topic, 1)
    config = {"group_id": "fenced-" + topic, "group_instance_id": "one"}
    older, younger = world.consumer(topic, **config), world.consumer(topic, **config)
    read(older, 1)
    assert not is_fenced(older._coordinator)
    read(younger, 1)

    raised, deadline = [], time.monotonic() + PATIENCE
    while not (raised or (world.is_3 and is_fenced(older._coordinator))):
        assert time.monotonic() < deadline
        try:
            older.poll(50)
        except FencedInstanceIdError as error:
            raised.append(error)

    assert bool(raised) is not world.is_3
    world.append(topic, 1)
    read(older, 1)
    with pytest.raises(FencedInstanceIdError):
        older.commit()


def test_all_ways_to_records_and_commits_come_to_the_same_methods(world):
    """A run refuses calls there that are not its own."""
    topic = world.create_topic()
    consumer = world.consumer(topic, group_id="detours-" + topic)
    world.append(topic, 3)
    take(consumer, 3)
    called = []

    def noting(owner, name):
        method = getattr(owner, name)

        def call(*arguments, **options):
            called.append(name)
            return method(*arguments, **options)

        setattr(owner, name, call)

    for name in ("poll", "commit_offsets_sync", "commit_offsets_async"):
        noting(consumer._coordinator, name)
    noting(consumer._fetcher, "fetched_records")
    for name in ("all_consumed_offsets", "subscribe", "unsubscribe"):
        noting(consumer._subscription, name)

    consumer.poll(0)
    assert called[:2] == ["poll", "fetched_records"]
    called.clear()
    consumer.commit()
    assert called[:2] == ["all_consumed_offsets", "commit_offsets_sync"]
    called.clear()
    consumer.commit_async()
    assert called[:2] == ["all_consumed_offsets", "commit_offsets_async"]
    called.clear()
    consumer.subscribe([topic])
    consumer.unsubscribe()
    assert [name for name in called if "subscribe" in name] == ["subscribe", "unsubscribe"]
