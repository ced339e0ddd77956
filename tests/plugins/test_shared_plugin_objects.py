"""One plugin object for two consumers: refused where it knows of one run only, and the first run goes on."""

from __future__ import annotations

import threading

import pytest

from kafka_parallel import ConfigurationError
from kafka_parallel.testing import FakeProducer
from kafka_parallel_plugins.adaptive_concurrency import AdaptiveConcurrency
from kafka_parallel_plugins.circuit_breaker import CircuitBreaker
from kafka_parallel_plugins.dedup import Dedup
from kafka_parallel_plugins.dlq import DeadLetterQueue
from kafka_parallel_plugins.rate_limit import RateLimit
from tests.runtime.app import App


def queue_of(app):
    app.cluster.create_topic("dead")
    return DeadLetterQueue(topic="dead", make_producer=lambda **config: FakeProducer(cluster=app.cluster, **config))


def fail(record):
    raise ValueError("on purpose")


def breaker_of(_):
    return CircuitBreaker(open_on=[KeyError])


def limit_of(_):
    return RateLimit(records_per_second=1000)


def adaptive_of(_):
    return AdaptiveConcurrency()


def dedup_of(_):
    return Dedup(redis=pytest.importorskip("redis").Redis(port=1, retry=None))  # there is none, so all are handled


@pytest.mark.parametrize("make", [queue_of, breaker_of, limit_of, adaptive_of, dedup_of])
def test_an_object_that_serves_one_run_is_refused_to_another_and_that_run_goes_on(make):
    app, begun, may_end = App(1), threading.Event(), threading.Event()
    plugin = make(app)

    def wait(record):
        begun.set()
        may_end.wait(60)

    first = app.parallel(plugins=[plugin])
    first.start(wait)
    assert begun.wait(60)
    second = App(1)
    error = second.run(print, plugins=[plugin])
    may_end.set()
    first.join()

    assert isinstance(error, ConfigurationError)
    assert "is in another run" in str(error)
    assert app.committed == 1
    assert second.committed == 0
    assert second.run(lambda record: None, plugins=[plugin]) is None


def test_a_dead_letter_queue_of_another_run_is_refused_and_that_run_goes_on():
    app, begun, may_fail = App(1), threading.Event(), threading.Event()
    queue = queue_of(app)

    def fail_late(record):
        begun.set()
        may_fail.wait(60)
        fail(record)

    first = app.parallel(plugins=[queue])
    first.start(fail_late)
    assert begun.wait(60)
    second = App(1)
    error = second.run(fail, plugins=[queue])
    may_fail.set()
    first.join()

    assert isinstance(error, ConfigurationError)
    assert "is in another run" in str(error)
    assert app.committed == 1
    assert second.committed == 0


def test_a_dead_letter_queue_serves_one_run_after_the_other():
    first, second = App(1), App(1)
    queue = queue_of(first)

    assert first.run(fail, plugins=[queue]) is None
    assert second.run(fail, plugins=[queue]) is None
