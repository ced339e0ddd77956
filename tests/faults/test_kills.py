"""A process that dies at any place loses nothing and repeats only records that no commit covered."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter

import pytest

from kafka_parallel.testing.history import History, Kind, read
from tests.faults.conftest import conclude, rounds, with_dead_letters
from tests.integration.handlers import EXECUTORS, OTHERS
from tests.integration.kafka_app import KEYS, TAKES_PLACE, Worker, committed, has_grown, produce, wait_for
from tests.integration.kill_points import POINTS
from tests.integration.test_dlq import dead_letters

pytestmark = [pytest.mark.broker, pytest.mark.timeout(rounds(900, 3600))]

QUICK = {"commit_interval_ms": 100, **TAKES_PLACE}


def after_death(history, worker, bootstrap, group, produced):
    """Note the death, and the broker's offset: no record below it may ever be started again."""
    history.killed(worker.process.pid)
    history.committed(produced.topic, committed(bootstrap, group, produced))


def finish(bootstrap, group, produced, history, **options):
    with Worker(
        bootstrap, produced.topic, group, history.path, sleep_ms=1, until_committed=1, **QUICK, **options
    ) as last:
        assert last.wait(120) == 0


def test_kills_at_random_moments(kafka_broker, topic, tmp_path, report):
    bootstrap, chance, kills = kafka_broker.bootstrap_servers, random.Random(), rounds(3, 60)
    produced = produce(bootstrap, topic(4), 4000 * kills, keys=KEYS)
    history, group = History(tmp_path / "history"), "g-" + produced.topic

    for _ in range(kills):
        has_worked = has_grown(history)
        with Worker(bootstrap, produced.topic, group, history.path, sleep_ms=8, **QUICK) as worker:
            wait_for(has_worked, "the worker to handle a record")
            time.sleep(chance.random() * 0.8)
            worker.signal(signal.SIGKILL)
            worker.wait()
        after_death(history, worker, bootstrap, group, produced)
    finish(bootstrap, group, produced, history)

    verdict = conclude(report, bootstrap, group, produced, read(history.path), kills)
    assert (verdict.needless, verdict.unexplained) == ([], [])


def test_a_kill_repeats_no_more_than_max_uncommitted(kafka_broker, topic, tmp_path, report, record_property):
    """Handlers hang now and then, so every kill finds its partitions at their limit."""
    bootstrap, chance, kills, most = kafka_broker.bootstrap_servers, random.Random(), rounds(3, 20), 200
    produced = produce(bootstrap, topic(4), 4000 * kills)
    history, group = History(tmp_path / "history"), "g-" + produced.topic
    options = {**QUICK, "ordering": "unordered", "workers": 32, "max_uncommitted": most}
    repeated = []

    for _ in range(kills):
        has_worked, before = has_grown(history, by=500), len(list(read(history.path)))
        with Worker(bootstrap, produced.topic, group, history.path, sleep_ms=1, hangs=0.01, **options) as worker:
            wait_for(has_worked, "the worker to handle some records")
            time.sleep(chance.random() * 0.8)
            worker.signal(signal.SIGKILL)
            worker.wait()
        started = [entry for entry in list(read(history.path))[before:] if entry.kind == Kind.START]
        after_death(history, worker, bootstrap, group, produced)
        ends = committed(bootstrap, group, produced)
        above = Counter(entry.partition for entry in started if entry.offset >= ends[entry.partition])
        repeated += above.values()
    finish(bootstrap, group, produced, history)

    record_property("repeated_per_kill_and_partition", str(repeated))
    assert 0 < max(repeated) <= most, repeated
    verdict = conclude(report, bootstrap, group, produced, read(history.path), kills)
    assert (verdict.needless, verdict.unexplained) == ([], [])


@pytest.mark.parametrize(
    ("executor", "point"),
    [*((EXECUTORS[0], point) for point in POINTS), *((name, "after-dead-letter") for name in OTHERS)],
)
def test_kills_at_a_named_point(kafka_broker, topic, tmp_path, report, executor, point):
    bootstrap, chance, kills = kafka_broker.bootstrap_servers, random.Random(), rounds(1, 12)
    produced = produce(bootstrap, topic(2), 3000 * kills, keys=KEYS)
    dead = topic(1) if "dead" in point else None
    history, group = History(tmp_path / "history"), "g-" + produced.topic
    letters = {"dead_letters": dead} if dead else {}

    for _ in range(kills):
        times = chance.randint(1, 4)
        with Worker(
            bootstrap,
            produced.topic,
            group,
            history.path,
            sleep_ms=4,
            kill_at=point,
            kill_after=times,
            executor=executor,
            **QUICK,
            **letters,
        ) as worker:
            assert worker.wait() == -signal.SIGKILL
        after_death(history, worker, bootstrap, group, produced)
    finish(bootstrap, group, produced, history, executor=executor, **letters)

    verdict = conclude(report, bootstrap, group, produced, with_dead_letters(bootstrap, history, dead), kills)
    assert (verdict.needless, verdict.unexplained) == ([], [])
    if point == "after-dead-letter":
        headers = [dict(letter.headers) for letter in dead_letters(bootstrap, dead)]
        places = [(found["__dlq.errors.partition"], found["__dlq.errors.offset"]) for found in headers]
        assert len(places) >= len(set(places)) + kills, "each kill left a letter whose record was not committed"
