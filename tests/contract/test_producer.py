"""The answers of a producer: the same for the fake one and the real one."""

from __future__ import annotations

import pytest
from kafka.errors import KafkaError

from tests.contract.worlds import read


def test_an_answer_says_where_the_record_is(world):
    topic = world.create_topic(2)
    producer = world.producer()

    answers = [producer.send(topic, b"v", key=b"k", partition=1, headers=[("h", b"1")]).get(10) for _ in range(2)]

    assert [(answer.topic, answer.partition, answer.offset) for answer in answers] == [(topic, 1, 0), (topic, 1, 1)]
    assert answers[0].serialized_value_size == 1
    assert producer.partitions_for(topic) == {0, 1}
    producer.close()
    assert [record.headers for record in read(world.consumer(topic), 2)] == [[("h", b"1")]] * 2


@pytest.mark.filterwarnings("ignore:value_serializer does not implement")
def test_serialisers_are_used(world):
    topic = world.create_topic()
    producer = world.producer(value_serializer=str.encode)

    producer.send(topic, "text").get(10)
    producer.close()

    assert read(world.consumer(topic), 1)[0].value == b"text"


def test_a_closed_producer_sends_nothing(world):
    topic = world.create_topic()
    producer = world.producer()
    producer.close()

    with pytest.raises((KafkaError, RuntimeError, AssertionError)):  # 2.x asserts
        producer.send(topic, b"v").get(10)
