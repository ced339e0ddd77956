"""Members come and go while records are in flight: nothing is lost, and nothing repeated if handlers finish in time."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from kafka_parallel import ParallelConsumer
from kafka_parallel.testing.history import History, judge, read
from tests.integration.handlers import EXECUTORS, OTHERS
from tests.integration.kafka_app import Worker, committed, consume, ends, has_begun, produce, wait_for
from tests.integration.worker import assignor as assignor_of

pytestmark = pytest.mark.broker

try:
    import kafka.coordinator.assignors.cooperative_sticky  # noqa: F401

    ASSIGNORS = ["range", "cooperative-sticky"]
except ImportError:
    ASSIGNORS = ["range"]


def runs(path):
    return {entry.run for entry in read(path, is_growing=True)}


@pytest.mark.parametrize(
    ("executor", "assignor"),
    [*((EXECUTORS[0], assignor) for assignor in ASSIGNORS), *((name, ASSIGNORS[-1]) for name in OTHERS)],
)
def test_a_member_that_joins_and_leaves_costs_nothing(kafka_broker, topic, tmp_path, executor, assignor):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(4), 20_000, keys=[b"key-%d" % number for number in range(200)])
    history, group = History(tmp_path / "history"), "g-" + produced.topic
    options = {"sleep_ms": 16, "session_ms": 20_000, "executor": executor, "assignor": assignor}

    with Worker(bootstrap, produced.topic, group, history.path, until_committed=1, **options) as stays:
        wait_for(has_begun(history), "the first member to work")
        with Worker(bootstrap, produced.topic, group, history.path, **options) as leaves:
            wait_for(lambda: leaves.process.pid in runs(history.path), "the second member to work")
            time.sleep(1)
            leaves.signal(signal.SIGTERM)
            assert leaves.wait() == 0
        assert stays.wait() == 0

    verdict = judge(read(history.path), produced)
    assert verdict.is_good, verdict
    assert verdict.repeated == 0
    assert committed(bootstrap, group, produced) == ends(produced)


@pytest.mark.parametrize("assignor", ASSIGNORS)
def test_a_drain_longer_than_the_session_timeout_keeps_the_member(kafka_broker, topic, assignor):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(2), 8)
    config = {
        "session_timeout_ms": 8000, "heartbeat_interval_ms": 250, "consumer_timeout_ms": 20_000,
        "partition_assignment_strategy": [assignor_of(assignor)],
    }  # fmt: skip
    first, second = (consume(bootstrap, produced.topic, "g-" + produced.topic, **config) for _ in range(2))
    begun, handled, elsewhere = [], [], []

    def handle(record):
        begun.append(record.offset)
        time.sleep(10)
        handled.append((record.partition, record.offset))

    draining, joining = ParallelConsumer(first, workers=8, revoke_timeout_ms=60_000), ParallelConsumer(second)
    draining.start(handle)
    wait_for(lambda: len(begun) == 8, "all records to run")
    joining.start(elsewhere.append)
    draining.join()
    joining.join()

    assert sorted(handled) == sorted(
        (partition, offset) for partition, keys in produced.keys.items() for offset in keys
    )
    assert elsewhere == []
    assert committed(bootstrap, "g-" + produced.topic, produced) == ends(produced)


@pytest.mark.parametrize("kind", [{}, {"batch": "partition"}], ids=["one by one", "batches"])
@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_start_after_sigterm_repeats_nothing(kafka_broker, topic, tmp_path, executor, kind):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(4), 10_000, keys=[b"key-%d" % number for number in range(200)])
    history, group = History(tmp_path / "history"), "g-" + produced.topic
    options = {"executor": executor, "session_ms": 20_000, **kind}

    with Worker(bootstrap, produced.topic, group, history.path, sleep_ms=16, **options) as first:
        wait_for(has_begun(history), "the first start to work")
        time.sleep(1)
        first.signal(signal.SIGTERM)
        assert first.wait() == 0
    with Worker(bootstrap, produced.topic, group, history.path, sleep_ms=4, until_committed=1, **options) as second:
        assert second.wait() == 0

    verdict = judge(read(history.path), produced)
    assert len(runs(history.path)) == 2
    assert verdict.is_good, verdict
    assert verdict.repeated == 0
    assert committed(bootstrap, group, produced) == ends(produced)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_second_sigterm_abandons_at_once(kafka_broker, topic, tmp_path, executor):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(1), 10)
    history, group = History(tmp_path / "history"), "g-" + produced.topic

    with Worker(bootstrap, produced.topic, group, history.path, sleep_ms=-1, executor=executor) as worker:
        wait_for(has_begun(history), "the handler to be stuck")
        worker.signal(signal.SIGTERM)
        time.sleep(1)
        assert worker.process.poll() is None
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0

    assert committed(bootstrap, group, produced) == {0: 0}


def test_no_thread_of_the_client_outlives_run(kafka_broker, topic, caplog):
    bootstrap, name, before = kafka_broker.bootstrap_servers, topic(1), set(threading.enumerate())
    produce(bootstrap, name, 10)
    parallel = ParallelConsumer(consume(bootstrap, name, "g-" + name), workers=2)

    parallel.run(lambda record: parallel.stop() if record.offset == 9 else None)

    assert set(threading.enumerate()) <= before
    assert "did not fully terminate" not in caplog.text
