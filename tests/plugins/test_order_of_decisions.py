"""The order in which plugins are asked about a failed record, independent of the order they are named in."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from kafka_parallel import hookimpl
from kafka_parallel._plugins.manager import NO_AUTOLOAD_VARIABLE, Plugins
from kafka_parallel.testing.fake import FakeCluster
from kafka_parallel.testing.fake import FakeProducer as ClusterProducer
from kafka_parallel_plugins.circuit_breaker import CircuitBreaker
from kafka_parallel_plugins.dlq import DeadLetterQueue
from kafka_parallel_plugins.retry import RetryWithBackoff
from kafka_parallel_plugins.retry_topics import RetryTopics
from tests.plugins.test_dlq import context
from tests.plugins.test_retry_topics import unordered


def made(name):
    cluster = FakeCluster()
    for topic in ("orders-billing-retry-0", "orders-dlq"):
        cluster.create_topic(topic, 4)

    def producer(**config):
        return ClusterProducer(cluster=cluster, **config)

    return {
        "circuit-breaker": lambda: CircuitBreaker(open_on=[OSError]),
        "retry": lambda: RetryWithBackoff(max_attempts=2, delay_ms=7, jitter=0),
        "retry-topics": lambda: RetryTopics(delays_ms=[5], make_producer=producer),
        "dlq": lambda: DeadLetterQueue(make_producer=producer),
    }[name]()


class Throttle:
    def limit(self, *_, **__):
        pass

    limit_retries = limit


@pytest.mark.parametrize("names", list(itertools.permutations(["circuit-breaker", "retry", "retry-topics", "dlq"])))
def test_the_order_of_the_names_decides_nothing(names):
    plugins = Plugins([made(name) for name in names], {NO_AUTOLOAD_VARIABLE: "1"})
    start = unordered()
    plugins.hook.on_throttle(throttle=Throttle(), settings=start)
    [delayed] = plugins.hook.provide_topics(settings=start)
    plugins.hook.on_start(settings=dataclasses.replace(start, sources=delayed.sources))

    def decide(error, **changes):
        answer = plugins.hook.on_error(record=None, error=error, context=context()._replace(**changes))
        return getattr(answer, "delay_ms", None) or answer.reason.split(": ")[1].split(" ")[0]

    assert decide(OSError()) == 5000, "the breaker"
    assert decide(ValueError(), attempt=1) == 7, "retry"
    assert decide(ValueError(), attempt=2) == "to", "to be tried again from a retry topic"
    retried = context(topic="orders-billing-retry-0")
    answer = plugins.hook.on_error(record=None, error=ValueError(), context=retried._replace(attempt=2))
    assert answer.reason.startswith("ValueError: dead letter orders-dlq")


def test_a_plugin_of_the_user_is_asked_before_retry_if_it_is_named_later():
    class Mine:
        @hookimpl
        def on_error(self):
            from kafka_parallel import Skip

            return Skip("mine")

    def first(*plugins):
        found = Plugins(plugins, {NO_AUTOLOAD_VARIABLE: "1"})
        found.hook.on_start(settings=unordered())
        return found.hook.on_error(record=None, error=ValueError(), context=context())

    assert first(made("retry"), Mine()).reason == "mine"
    assert first(Mine(), made("retry")).delay_ms == 7
