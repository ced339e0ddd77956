"""Is the cluster there?"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kafka import TopicPartition

from kafka_parallel._runtime.client.connections import Connections
from kafka_parallel.testing import FakeCluster, FakeConsumer

P, Q = TopicPartition("t", 0), TopicPartition("t", 1)


def connections(*unreachable, leaders=()):
    cluster = FakeCluster()
    cluster.create_topic("t", 2)
    cluster.brokers.leaders.update(leaders)
    cluster.brokers.unreachable.update(unreachable)
    return Connections(FakeConsumer("t", cluster=cluster))


def test_a_cluster_that_answers():
    assert not connections().has_none()
    assert connections().lost_leaders([P, Q]) == {}


def test_a_cluster_that_is_gone():
    assert connections(0).has_none()


def test_a_consumer_that_is_closed_misses_no_broker():
    found = connections(0)
    found._consumer.close()

    assert not found.has_none()


def test_one_broker_that_is_gone():
    found = connections(4, leaders={Q: 4})

    assert not found.has_none()
    assert found.lost_leaders([P, Q]) == {Q: 4}


def test_a_partition_without_a_leader():
    assert connections(-1, leaders={Q: -1}).lost_leaders([P, Q]) == {Q: -1}


def test_a_consumer_without_connections_misses_none():
    found = Connections(SimpleNamespace())

    assert not found.has_none()
    assert found.lost_leaders([P]) == {}


@pytest.mark.parametrize(
    ("given", "found"),
    [("kafka:9092", ["kafka:9092"]), (["a:1", "b:2"], ["a:1", "b:2"]), (None, []), ((), [])],
)
def test_before_any_broker_is_known_those_of_the_settings_are_looked_for(given, found):
    assert Connections(SimpleNamespace(config={"bootstrap_servers": given})).addresses() == found


def test_brokers_that_were_heard_of_are_looked_for():
    brokers = [SimpleNamespace(host="b", port=2), SimpleNamespace(host="a", port=1)]
    net = SimpleNamespace(cluster=SimpleNamespace(brokers=lambda: brokers))
    consumer = SimpleNamespace(_client=net, config={"bootstrap_servers": "seed:9092"})

    assert Connections(consumer).addresses() == ["a:1", "b:2"]
