"""A bad network and a broker that crashes delay work; they lose and reorder nothing."""

from __future__ import annotations

import time

import pytest

from kafka_parallel.testing.history import History, read
from kafka_parallel.testing.pytest_plugin import broker_or_skip, topic_name
from kafka_parallel.testing.tcp_proxy import TcpProxy
from tests.faults.conftest import conclude, rounds, with_dead_letters
from tests.integration.kafka_app import KEYS, Worker, has_grown, produce, wait_for

pytestmark = [pytest.mark.broker, pytest.mark.timeout(rounds(900, 3600))]

# More per fault than a worker can handle meanwhile, or it would have nothing left to do.
PER_FAULT = 14_000
IMPATIENT = {"session_ms": 3000, "commit_interval_ms": 100, "request_timeout_ms": 4000}


@pytest.fixture(scope="module")
def line():
    """A broker that its clients only reach through a proxy."""
    with TcpProxy() as proxy:
        config = {"advertised.listeners": f"PLAINTEXT://127.0.0.1:{proxy.port}"}
        with broker_or_skip("jvm", config) as broker:
            proxy.connect_to(broker.bootstrap_servers)
            yield proxy, f"127.0.0.1:{proxy.port}", broker


def new_topic(broker, name, partitions):
    name = topic_name(name)
    broker.create_topic(name, partitions)
    return name


FAULTS = {
    "latency": (lambda proxy: proxy.disturb(latency_ms=200), 3.0),
    "an answer that comes after the time for it": (lambda proxy: proxy.disturb(holds_down=True), 6.0),
    "requests that do not arrive": (lambda proxy: proxy.disturb(holds_up=True), 6.0),
    "a black hole": (TcpProxy.black_hole, 6.0),
    "a slow line": (lambda proxy: proxy.disturb(bytes_per_second=20_000), 3.0),
    "resets": (TcpProxy.reset, 0.5),
    "half-open connections": (TcpProxy.half_open, 6.0),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_network_with(line, tmp_path, report, fault):
    proxy, bootstrap, broker = line
    begin, seconds = FAULTS[fault]
    count = rounds(1, 5)
    produced = produce(bootstrap, new_topic(broker, "network", 4), PER_FAULT * count, keys=KEYS)
    history, group = History(tmp_path / "history"), "g-" + produced.topic

    with Worker(bootstrap, produced.topic, group, history.path, sleep_ms=16, until_committed=1, **IMPATIENT) as worker:
        for _ in range(count):
            wait_for(has_grown(history, by=1001), "the worker to work")
            begin(proxy)
            time.sleep(seconds)
            proxy.heal()
        assert worker.wait(180) == 0

    conclude(report, bootstrap, group, produced, read(history.path), count)


@pytest.mark.parametrize("fault", ["latency", "a black hole"])
def test_dead_letters_over_a_network_with(line, tmp_path, report, fault):
    proxy, bootstrap, broker = line
    begin, seconds = FAULTS[fault]
    produced = produce(bootstrap, new_topic(broker, "network", 4), PER_FAULT // 2, keys=KEYS)
    dead = new_topic(broker, "dead", 1)
    history, group = History(tmp_path / "history"), "g-" + produced.topic
    options = {"sleep_ms": 16, "until_committed": 1, "dead_letters": dead, **IMPATIENT}

    with Worker(bootstrap, produced.topic, group, history.path, **options) as worker:
        wait_for(has_grown(history, by=1001), "the worker to work")
        begin(proxy)
        time.sleep(seconds)
        proxy.heal()
        assert worker.wait(180) == 0

    conclude(report, bootstrap, group, produced, with_dead_letters(bootstrap, history, dead), 1)


def test_a_broker_that_crashes(tmp_path, report):
    crashes = rounds(1, 5)
    with broker_or_skip("jvm") as broker:
        bootstrap = broker.bootstrap_servers
        produced = produce(bootstrap, new_topic(broker, "crash", 4), PER_FAULT * crashes, keys=KEYS)
        history, group = History(tmp_path / "history"), "g-" + produced.topic
        options = {"sleep_ms": 16, "until_committed": 1, **IMPATIENT}
        with Worker(bootstrap, produced.topic, group, history.path, **options) as worker:
            for _ in range(crashes):
                wait_for(has_grown(history, by=1001), "the worker to work")
                broker.kill()
                time.sleep(1)
                broker.restart()
            assert worker.wait(240) == 0

        conclude(report, bootstrap, group, produced, read(history.path), crashes)
