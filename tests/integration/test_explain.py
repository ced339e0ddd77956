"""A real run says why it does not go on: a handler that hangs, a cluster that is gone or frozen and comes back."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from kafka_parallel import ParallelConsumer
from kafka_parallel.testing.pytest_plugin import broker_or_skip
from tests.integration.kafka_app import consume, produce, wait_for

pytestmark = pytest.mark.broker


class Running:
    """A run on a thread; its handler holds the record at offset *at* until it is let go."""

    def __init__(self, bootstrap, topic, at=-1):
        self.go_on, self._at = threading.Event(), at
        self.parallel = ParallelConsumer(
            consume(bootstrap, topic, f"g-{topic}", consumer_timeout_ms=float("inf")), workers=4
        )

    def handle(self, record):
        if record.offset == self._at:
            assert self.go_on.wait(180)

    def __enter__(self):
        self.parallel.start(self.handle)
        return self.parallel

    def __exit__(self, *_):
        self.go_on.set()
        self.parallel.stop()
        assert self.parallel.join(180_000)


def first_cause(parallel):
    return parallel.explain()[0].cause


def test_a_handler_that_hangs_and_then_nothing(kafka_broker, topic):
    name = topic()
    produce(kafka_broker.bootstrap_servers, name, 50)
    running = Running(kafka_broker.bootstrap_servers, name, at=7)
    with running as parallel:
        wait_for(lambda: first_cause(parallel) == "handler", "the handler")
        found = parallel.explain()[0]
        assert found.sentence.startswith(f"{name}[0] stands at offset 7 for ")
        assert "test_explain.py:" in found.sentence
        running.go_on.set()

        wait_for(lambda: first_cause(parallel) == "idle", "the end of the topic")


def test_a_cluster_that_is_gone_and_comes_back(request):
    with broker_or_skip("jvm") as broker:
        broker.create_topic("orders")
        produce(broker.bootstrap_servers, "orders", 5)
        with Running(broker.bootstrap_servers, "orders") as parallel:
            wait_for(lambda: first_cause(parallel) == "idle", "the end of the topic")

            broker.kill()
            wait_for(lambda: first_cause(parallel) == "broker", "the outage")
            wait_for(lambda: "; the last answer came " in parallel.explain()[0].sentence, "the time of the last answer")

            broker.restart()
            produce(broker.bootstrap_servers, "orders", 5)
            wait_for(lambda: parallel.statistics().processed == 10, "the records")
            wait_for(lambda: first_cause(parallel) == "idle", "the end of the topic")


class Frozen:
    """Stops the process of a broker (SIGSTOP) and lets it go on: its connections stay open, and nothing is answered."""

    def __init__(self, broker):
        guard = broker._backend._node._guard._process.pid
        (self._pid,) = map(int, Path(f"/proc/{guard}/task/{guard}/children").read_text().split())

    def __enter__(self):
        os.kill(self._pid, signal.SIGSTOP)

    def __exit__(self, *_):
        os.kill(self._pid, signal.SIGCONT)


def test_a_broker_that_is_frozen_and_goes_on():
    with broker_or_skip("jvm") as broker:
        broker.create_topic("orders")
        produce(broker.bootstrap_servers, "orders", 5)
        with Running(broker.bootstrap_servers, "orders") as parallel:
            wait_for(lambda: first_cause(parallel) == "idle", "the end of the topic")

            with Frozen(broker):
                wait_for(lambda: first_cause(parallel) == "broker", "the silence")
                found = parallel.explain()[0]
                assert found.sentence.startswith(f"{broker.bootstrap_servers} has not answered for ")
                assert found.lasts_ms > 5_000

            produce(broker.bootstrap_servers, "orders", 5)
            wait_for(lambda: parallel.statistics().processed == 10, "the records")
            wait_for(lambda: first_cause(parallel) == "idle", "the end of the topic")
