"""Asking for the ends of logs without waiting: errors of every kind come as an answer without ends."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaConnectionError, UnsupportedVersionError
from kafka.future import Future

from kafka_parallel._runtime.client.end_offsets import ask_for_ends
from kafka_parallel.testing import FakeCluster, FakeConsumer, ManualClock

P, Q = TopicPartition("t", 0), TopicPartition("t", 1)


@pytest.fixture(params=["2.x", "3.x"])
def consumer(request):
    cluster = FakeCluster(ManualClock())
    cluster.create_topic("t")
    cluster.append("t", b"v", partition=0)
    found = FakeConsumer(cluster=cluster, habits=request.param)
    found.assign([P])
    yield found
    found.close()


def asked(consumer, *partitions):
    answers = []
    ask_for_ends(consumer, partitions, answers.append)
    consumer.poll(0)
    return answers


def test_the_answer_tells_the_ends(consumer):
    assert asked(consumer, P) == [{P: 1}]


def test_a_partition_without_a_leader_is_not_in_the_answer(consumer):
    assert asked(consumer, P, Q) == [{P: 1}]
    assert asked(consumer, Q) == []


def test_an_error_is_an_answer_without_ends(consumer, caplog):
    caplog.set_level(logging.DEBUG, logger="kafka_parallel")
    consumer._cluster.fail("end_offsets", KafkaConnectionError("gone"))

    assert asked(consumer, P) == [{}]
    assert "the ends of some logs are not known" in caplog.text


def test_an_error_of_sending_is_one_too():
    def send(timestamps):
        raise UnsupportedVersionError("too old")

    answers = []
    parts = {"_send_list_offsets_requests": send, "_group_list_offset_requests": lambda wanted: {1: wanted}}
    ask_for_ends(SimpleNamespace(_fetcher=SimpleNamespace(**parts)), [P], answers.append)

    assert answers == [{}]


def test_a_client_that_cannot_be_asked_does_not_stop_the_run(caplog):
    caplog.set_level(logging.DEBUG, logger="kafka_parallel")
    answers = []
    ask_for_ends(SimpleNamespace(_fetcher=SimpleNamespace()), [P], answers.append)

    assert answers == [{}]
    assert "_group_list_offset_requests" in caplog.text


def test_each_broker_is_asked_by_itself():
    def send(timestamps):
        if P in timestamps:
            raise UnsupportedVersionError("too old")
        return Future().success((dict.fromkeys(timestamps, SimpleNamespace(offset=3)), set()))

    answers = []
    by_leader = {1: {P: (-1, -1)}, 2: {Q: (-1, -1)}}
    parts = {"_send_list_offsets_requests": send, "_group_list_offset_requests": lambda _: by_leader}
    ask_for_ends(SimpleNamespace(_fetcher=SimpleNamespace(**parts)), [P, Q], answers.append)

    assert answers == [{}, {Q: 3}]


def test_the_consumer_keeps_its_own_isolation(consumer):
    before = consumer._fetcher._isolation_level = 1
    asked(consumer, P)

    assert consumer._fetcher._isolation_level == before
