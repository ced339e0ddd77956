"""Is the cluster there?"""

from __future__ import annotations

from collections import deque
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


CLOCK = SimpleNamespace(monotonic=lambda: 100.0, wall=lambda: 1_700_000_100.0)


def waiting(requests, host=None, **config):
    """The connections of a consumer that waits for the answers to *requests*, by the broker's number."""
    open_ones = {node: SimpleNamespace(in_flight_requests=sent) for node, sent in requests.items()}
    cluster = SimpleNamespace(broker_metadata=lambda _: host)
    return Connections(SimpleNamespace(_client=SimpleNamespace(cluster=cluster, _conns=open_ones), config=config))


def silent(found, *, is_joining=False):
    return found.unanswered(CLOCK, is_joining=is_joining)


@pytest.mark.parametrize(
    "requests",
    [deque([(7, None, 88.0, 130.0, None), (8, None, 99.0, 130.0, None)]), {7: (None, 1_700_000_088.0, 0.0)}],
    ids=["3.x", "2.x"],
)
def test_a_broker_that_does_not_answer_with_the_age_of_its_oldest_request(requests):
    assert silent(waiting({1: requests, 2: type(requests)()})) == {"broker 1": 12.0}


def test_a_broker_is_named_by_its_host():
    host = SimpleNamespace(host="kafka-1", port=9092)

    assert silent(waiting({1: {7: (None, 1_700_000_088.0, 0.0)}}, host)) == {"kafka-1:9092": 12.0}


@pytest.mark.parametrize(("seconds", "found"), [(5.5, {}), (5.6, {"broker 1": 5.6})])
def test_a_fetch_may_wait_for_records_before_it_counts_as_unanswered(seconds, found):
    requests = deque([(7, None, 100.0 - seconds)])

    assert silent(waiting({1: requests}, fetch_max_wait_ms=500)) == pytest.approx(found)


def test_the_coordinator_may_take_its_time_for_a_join():
    found = waiting({"coordinator-1": deque([(7, None, 40.0)])})

    assert silent(found, is_joining=True) == {}
    assert silent(found) == {"broker coordinator-1": 60.0}


def test_a_fake_broker_that_is_frozen():
    found = connections()
    found._consumer._cluster.brokers.frozen[0] = 40.0

    assert not found.has_none()
    assert silent(found) == {"broker 0": 60.0}


def test_the_last_answer_is_as_old_as_the_metrics_say():
    sensor = SimpleNamespace(_last_record_time=77_000.0)
    metrics = SimpleNamespace(get_sensor={"bytes-received": sensor}.get)

    assert Connections(SimpleNamespace(_metrics=metrics)).silent_for(CLOCK) == 23.0
    assert Connections(SimpleNamespace(_metrics=None)).silent_for(CLOCK) is None
    assert Connections(SimpleNamespace()).silent_for(CLOCK) is None
