"""The answer to a commit that is not waited for: when and how it comes is the same for fake and real.

``_runtime/client/consumer_adapter.py`` listens to both ways of saying it, the callback and the future.
"""

from __future__ import annotations

import threading
import time

import pytest
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import CommitFailedError, FencedInstanceIdError, OffsetMetadataTooLargeError

from kafka_parallel._runtime.client.client_errors import is_lost
from kafka_parallel._runtime.client.consumer_adapter import Client
from kafka_parallel.errors import MemberFenced
from tests.contract.test_groups import member, shares
from tests.contract.worlds import IMPATIENT, PATIENCE, poll_together, read


class Told:
    """The answer of a callback, or a future, and the thread of the callback."""

    def __init__(self):
        self.answers, self.threads = [], []

    def __call__(self, _, answer):
        self.answers.append(answer)
        self.threads.append(threading.current_thread())

    @property
    def error(self):
        (answer,) = self.answers
        return answer if isinstance(answer, Exception) else None


def offsets(partition, offset, metadata=""):
    return {partition: OffsetAndMetadata(offset, metadata, -1)}


def poll_until(consumer, condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE} s"
        consumer.poll(50)


def read_until(client, condition):
    """Let the client read its answers, without a poll."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE} s"
        client.take_answers_in()
        time.sleep(0.001)


def one_reader(world, **config):
    topic = world.create_topic()
    world.append(topic, 4)
    consumer = member(world, topic, **config)
    read(consumer, 4)
    return consumer, TopicPartition(topic, 0)


def test_a_later_poll_calls_back_on_the_thread_of_its_caller(world):
    consumer, partition = one_reader(world)
    told = Told()

    future = consumer.commit_async(offsets(partition, 2), told)
    assert told.answers == []
    poll_until(consumer, lambda: told.answers)

    assert told.error is None
    assert told.threads == [threading.main_thread()]
    assert future.succeeded()
    assert consumer.committed(partition) == 2


def test_the_future_has_none_for_a_commit_that_is_stored(world):
    consumer, partition = one_reader(world)
    values = []

    consumer.commit_async(offsets(partition, 2), Told()).add_callback(values.append)
    poll_until(consumer, lambda: values)

    assert values == [None]


def test_what_the_broker_refuses_is_said_by_the_future_and_the_callback(world):
    consumer, partition = one_reader(world)
    told, errors = Told(), []

    consumer.commit_async(offsets(partition, 2, "x" * 4097), told).add_errback(errors.append)
    poll_until(consumer, lambda: told.answers and errors)

    assert isinstance(told.error, OffsetMetadataTooLargeError)
    assert errors == [told.error]


def test_a_commit_that_waits_comes_after_those_on_their_way(world):
    consumer, partition = one_reader(world)

    for _ in range(20):
        consumer.commit_async(offsets(partition, 1), Told())
        consumer.commit(offsets(partition, 3))
        assert consumer.committed(partition) == 3


def test_a_member_that_was_thrown_out_is_told_so(world):
    topic = world.create_topic(2)
    world.append(topic, 2)
    late, other = member(world, topic, **IMPATIENT), member(world, topic)
    read(late, 2)
    poll_together(late, other, until=lambda: shares(late, other) == [1, 1])
    poll_together(other, until=lambda: shares(other) == [2])
    (partition,) = late.assignment()
    told = Told()

    late.commit_async(offsets(partition, 1), told)
    poll_until(late, lambda: told.answers)

    assert isinstance(told.error, CommitFailedError)
    assert is_lost(told.error)


def test_a_fenced_member_is_told_by_the_future_only_and_by_every_poll(world):
    if "group_instance_id" not in KafkaConsumer.DEFAULT_CONFIG:
        pytest.skip("this kafka-python has no static members")
    older, partition = one_reader(world, group_instance_id="same")
    younger = member(world, partition.topic, group_instance_id="same")
    poll_until(younger, younger.assignment)
    told, answers = Told(), []

    client = Client(older)
    client.commit_async(offsets(partition, 1), answers.append)
    read_until(client, lambda: answers)

    assert isinstance(answers[0], MemberFenced)
    with pytest.raises(FencedInstanceIdError):
        older.commit_async(offsets(partition, 1), told)
    with pytest.raises(FencedInstanceIdError):
        older.poll(0)


def test_the_client_reads_answers_between_polls(world):
    consumer, partition = one_reader(world)
    client, answers = Client(consumer), []

    client.commit_async(offsets(partition, 2), answers.append)
    read_until(client, lambda: answers)

    assert answers[0] is None
