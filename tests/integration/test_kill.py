"""A process that is killed loses nothing, and its commits never ran ahead of its work."""

from __future__ import annotations

import random
import signal
import time

import pytest

from kafka_parallel.testing.history import History, Kind, judge, read
from tests.integration.handlers import EXECUTORS, OTHERS
from tests.integration.kafka_app import TAKES_PLACE, Worker, committed, ends, has_grown, produce, wait_for

pytestmark = pytest.mark.broker


@pytest.mark.parametrize(
    ("executor", "kills", "kind"),
    [
        (EXECUTORS[0], 10, {}),
        *((name, 4, {}) for name in OTHERS),
        *((name, 2, {"batch": scope}) for name, scope in zip(EXECUTORS, ["key", "mixed", "partition"], strict=True)),
    ],
)
def test_nothing_is_lost_by_kills_at_random_moments(kafka_broker, topic, tmp_path, executor, kills, kind):
    bootstrap, chance = kafka_broker.bootstrap_servers, random.Random()
    produced = produce(bootstrap, topic(4), 2_000 * kills, keys=[b"key-%d" % number for number in range(200)])
    history, group = History(tmp_path / "history"), "g-" + produced.topic
    options = {"executor": executor, **TAKES_PLACE, **kind}

    for _ in range(kills):
        has_worked = has_grown(history)
        with Worker(bootstrap, produced.topic, group, history.path, sleep_ms=8, **options) as worker:
            wait_for(has_worked, "the worker to handle a record")
            time.sleep(chance.random() * 0.8)
            worker.signal(signal.SIGKILL)
            worker.wait()
        history.killed(worker.process.pid)
        history.committed(produced.topic, committed(bootstrap, group, produced))
    with Worker(bootstrap, produced.topic, group, history.path, sleep_ms=1, until_committed=1, **options) as worker:
        assert worker.wait() == 0

    entries = list(read(history.path))
    verdict = judge(entries, produced)
    assert verdict.is_good, verdict
    assert (verdict.needless, verdict.unexplained) == ([], [])
    assert sum(entry.kind == Kind.KILLED for entry in entries) == kills
    assert committed(bootstrap, group, produced) == ends(produced)
