"""Members freeze, come and go: nothing is lost, and without a crash nothing is repeated."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack

import pytest

from kafka_parallel.testing.history import History, Kind, read
from tests.faults.conftest import conclude, rounds
from tests.integration.handlers import EXECUTORS
from tests.integration.kafka_app import KEYS, Worker, committed, ends, has_begun, produce, wait_for
from tests.integration.test_rebalance import ASSIGNORS, runs

pytestmark = [pytest.mark.broker, pytest.mark.timeout(rounds(900, 3600))]


# How many seconds a member stays that comes and goes.
STAY = 2
# More records of a partition than a commit covers that was on its way when its sender froze.
AHEAD = 300


def commits_of(history):
    return [(entry.partition, entry.offset) for entry in read(history.path) if entry.kind == Kind.COMMITTED]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_zombie_commits_nothing(kafka_broker, topic, tmp_path, report, executor):
    bootstrap, freezes = kafka_broker.bootstrap_servers, rounds(1, 5)
    produced = produce(bootstrap, topic(2), 8000 * freezes, keys=KEYS)
    history, group = History(tmp_path / "history"), "g-" + produced.topic
    options = {"sleep_ms": 50, "session_ms": 4000, "commit_interval_ms": 100, "executor": executor}
    options["until_committed"] = 1

    last = ends(produced)

    def note_commits():
        now = committed(bootstrap, group, produced)
        history.committed(produced.topic, now)
        return now

    def is_ahead():
        """A condition: more of all partitions is committed than now, or all that there is."""
        goals = {partition: min(offset + AHEAD, last[partition]) for partition, offset in note_commits().items()}
        return lambda: all(offset >= goals[partition] for partition, offset in note_commits().items())

    with (
        Worker(bootstrap, produced.topic, group, history.path, **options) as frozen,
        Worker(bootstrap, produced.topic, group, history.path, **options) as heir,
    ):
        wait_for(lambda: {frozen.process.pid, heir.process.pid} <= runs(history.path), "both to work")
        for _ in range(freezes):
            frozen.signal(signal.SIGSTOP)
            wait_for(is_ahead(), "the heir to go on with all partitions")
            frozen.signal(signal.SIGCONT)
            for _ in range(5):
                time.sleep(0.2)
                note_commits()
        assert heir.wait() == 0
        assert frozen.wait() == 0

    conclude(report, bootstrap, group, produced, read(history.path), freezes)
    for partition in produced.keys:
        offsets = [offset for number, offset in commits_of(history) if number == partition]
        assert offsets == sorted(offsets), "a commit went back"


@pytest.mark.parametrize("assignor", ASSIGNORS)
def test_members_come_and_go_every_second(kafka_broker, topic, tmp_path, report, assignor):
    bootstrap, visits = kafka_broker.bootstrap_servers, rounds(4, 20)
    produced = produce(bootstrap, topic(6), 14_000 + 3000 * visits, keys=KEYS)
    history, group = History(tmp_path / "history"), "g-" + produced.topic
    options = {"sleep_ms": 16, "assignor": assignor, "session_ms": 20_000}

    with (
        Worker(bootstrap, produced.topic, group, history.path, until_committed=1, **options) as stays,
        ExitStack() as stack,
    ):
        wait_for(has_begun(history), "the first member to work")
        visitors = []
        for number in range(visits + STAY):
            if number < visits:
                visitors.append(stack.enter_context(Worker(bootstrap, produced.topic, group, history.path, **options)))
            time.sleep(1.0)
            if number == visits + STAY - 1:
                wait_for(lambda: len(runs(history.path)) > 1, "anyone but the first member to work")
            if number >= STAY:
                visitors[number - STAY].signal(signal.SIGTERM)
        for visitor in visitors:
            assert visitor.wait() in {0, -signal.SIGTERM}  # it may not even have begun
        assert stays.wait(180) == 0

    verdict = conclude(report, bootstrap, group, produced, read(history.path), visits)
    assert verdict.repeated == 0
    assert len(runs(history.path)) > 1


def test_three_members_share_the_load(kafka_broker, topic, tmp_path, report):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(6), rounds(9000, 60_000), keys=KEYS)
    history, group = History(tmp_path / "history"), "g-" + produced.topic

    options = {"sleep_ms": 30, "workers": 8, "session_ms": 20_000, "until_committed": 1}

    with ExitStack() as stack:
        members = [
            stack.enter_context(Worker(bootstrap, produced.topic, group, history.path, **options)) for _ in range(3)
        ]
        assert [member.wait(180) for member in members] == [0, 0, 0]

    verdict = conclude(report, bootstrap, group, produced, read(history.path), 0)
    assert verdict.repeated == 0
    assert runs(history.path) == {member.process.pid for member in members}
