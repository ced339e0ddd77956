"""The brokers that a consumer is connected to: the same for the fake consumer and the real one."""

from __future__ import annotations

from kafka import TopicPartition

from kafka_parallel._runtime.client.connections import Connections
from kafka_parallel._runtime.clock import SystemClock
from tests.contract.worlds import read


def test_a_consumer_that_reads_misses_no_broker(world):
    topic = world.create_topic()
    world.append(topic)
    consumer, partition = world.consumer(auto_offset_reset="earliest"), TopicPartition(topic, 0)
    consumer.assign([partition])
    assert read(consumer, 1)

    assert not Connections(consumer).has_none()
    assert Connections(consumer).lost_leaders([partition]) == {}
    assert Connections(consumer).unanswered(SystemClock(), is_joining=False) == {}


def test_before_the_first_poll_nothing_is_said_of_an_unknown_topic(world):
    consumer = world.consumer()

    assert Connections(consumer).lost_leaders([TopicPartition("unheard-of", 0)]) in (
        {},
        {TopicPartition("unheard-of", 0): 0},
    )
