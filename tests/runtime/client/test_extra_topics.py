"""A run may read more topics, and leaves the subscription as it was."""

from __future__ import annotations

import pytest
from kafka import TopicPartition

from kafka_parallel import ConfigurationError
from kafka_parallel._runtime.client.extra_topics import ExtraTopics
from kafka_parallel._runtime.client.takeover import Takeover
from kafka_parallel._runtime.client.user_seeks import UserSeeks
from kafka_parallel.testing import FakeCluster, FakeConsumer


@pytest.fixture
def cluster():
    cluster = FakeCluster()
    for topic in ("orders", "orders-retry"):
        cluster.create_topic(topic)
    return cluster


@pytest.fixture
def consumer(cluster):
    consumer = FakeConsumer("orders", cluster=cluster, group_id="billing")
    yield consumer
    consumer.close()


def taken(consumer):
    return Takeover(consumer, UserSeeks(), dict, lambda: None, lambda _: None)


def test_the_topics_are_subscribed_to_besides_those_of_the_user(consumer):
    extra, takeover = ExtraTopics(consumer), taken(consumer)
    extra.choose(["orders-retry"])
    assert consumer.subscription() == {"orders"}

    extra.subscribe(takeover)

    assert consumer.subscription() == {"orders", "orders-retry"}
    takeover.undo()
    assert consumer.subscription() == {"orders"}


def test_without_any_the_subscription_is_not_touched(consumer):
    takeover = taken(consumer)
    takeover.own.subscribe = None  # a call of it would fail

    ExtraTopics(consumer).subscribe(takeover)

    takeover.undo()


def test_a_consumer_that_was_closed_gets_its_topics_back_without_asking_the_cluster(consumer):
    extra, takeover = ExtraTopics(consumer), taken(consumer)
    extra.choose(["orders-retry"])
    extra.subscribe(takeover)
    takeover.close(1000.0)
    takeover.own.subscribe = None  # a call of it would fail

    takeover.undo()

    assert consumer._subscription.topics == {"orders"}


def by_pattern(consumer):
    consumer.subscribe(pattern="^orders$")


def by_hand(consumer):
    consumer.unsubscribe()
    consumer.assign([TopicPartition("orders", 0)])


@pytest.mark.parametrize("subscribe", [by_pattern, by_hand])
def test_it_takes_a_subscription_by_name(consumer, subscribe):
    consumer.unsubscribe()
    subscribe(consumer)

    with pytest.raises(ConfigurationError, match="shall read orders-retry too"):
        ExtraTopics(consumer).choose(["orders-retry"])
