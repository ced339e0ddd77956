"""A pool of processes that is killed in the middle, behind the executor ``futures``, loses nothing on a real Kafka."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from kafka_parallel.testing.history import History, judge, read
from tests.integration import process_handler
from tests.integration.kafka_app import committed, consume, ends, has_grown, produce, wait_for
from tests.integration.test_process_pool import KEYS, NoteDeaths
from tests.integration.until_committed import UntilCommitted

pytestmark = pytest.mark.broker

WORKERS = 2


class Pools:
    """Makes pools, and knows the processes of the newest one.

    A process may take one record more after its pool has broken, before the pool ends it. All of them are gone when the
    next pool is made.
    """

    def __init__(self, history):
        self.history = history
        self.made = []

    def __call__(self):
        if self.made:
            self.history.killed(process_handler.RUN)
        self.made.append(ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")))
        return self.made[-1]

    def kill_one(self):
        process = next(iter(self.made[-1]._processes.values()))
        os.kill(process.pid, signal.SIGKILL)


def test_a_process_of_the_executor_is_killed_in_the_middle(kafka_broker, topic, tmp_path, monkeypatch):
    count = 2_000
    produced = produce(kafka_broker.bootstrap_servers, topic(3), count, keys=KEYS)
    history = History(tmp_path / "history", process_handler.RUN)
    monkeypatch.setenv(process_handler.PATH, str(history.path))
    consumer = consume(kafka_broker.bootstrap_servers, produced.topic, "g-" + produced.topic)
    notes, pools = NoteDeaths(history), Pools(history)
    parallel = UntilCommitted(
        consumer,
        workers=WORKERS,
        executor=("futures", {"executor": pools}),
        plugins=[("retry", {"delay_ms": 1}), notes],
    )

    parallel.start(process_handler.handle)
    for _ in range(2):
        wait_for(has_grown(history, by=500), "handlers to run")
        pools.kill_one()
    parallel.join()

    verdict = judge(read(history.path), produced)
    assert verdict.is_good, verdict
    assert verdict.records == count
    assert verdict.repeated <= len(notes.deaths) <= 2 * WORKERS
    assert len(pools.made) == 3
    assert committed(kafka_broker.bootstrap_servers, "g-" + produced.topic, produced) == ends(produced)
