"""The client's partitions, looked at by a thread that is not its own."""

from __future__ import annotations

from types import SimpleNamespace

from kafka import TopicPartition

from kafka_parallel._runtime.client.client_partitions import ClientPartitions

P, Q = TopicPartition("t", 0), TopicPartition("t", 1)


def consumer(**states):
    return SimpleNamespace(_subscription=SimpleNamespace(assignment=states), paused=lambda: {P})


def test_the_end_of_a_partition_that_was_not_fetched_is_not_known():
    states = {P: SimpleNamespace(highwater=7), Q: SimpleNamespace(highwater=None)}
    found = ClientPartitions(SimpleNamespace(_subscription=SimpleNamespace(assignment=states)))

    assert found.highwaters() == {P: 7}


def test_a_pause_is_the_users_if_the_consumer_says_so_to_the_user():
    """While it is run it leaves ours out."""
    assert ClientPartitions(SimpleNamespace(paused=lambda: {P})).paused_by_user() == {P}
