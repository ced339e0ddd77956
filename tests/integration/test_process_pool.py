"""A worker process that is killed in the middle loses nothing and mixes nothing up, on a real Kafka."""

from __future__ import annotations

import multiprocessing
import os
import signal

import pytest

from kafka_parallel import hookimpl
from kafka_parallel.errors import WorkerDied
from kafka_parallel.testing.history import History, Kind, judge, read
from tests.integration import process_handler
from tests.integration.kafka_app import committed, consume, ends, has_grown, produce, wait_for
from tests.integration.until_committed import UntilCommitted

pytestmark = pytest.mark.broker

KEYS = [b"key-%d" % number for number in range(50)]


class NoteDeaths:
    """Ends the entries that a killed process could not end itself."""

    def __init__(self, history):
        self.history = history
        self.deaths = []

    @hookimpl(tryfirst=True)
    def on_error(self, record, error):
        assert isinstance(error, WorkerDied), error
        self.deaths.append((record.partition, record.offset))
        for entry in reversed(list(read(self.history.path, is_growing=True))):
            if (entry.partition, entry.offset) == self.deaths[-1]:
                if entry.kind == Kind.START:  # else the process died before it could tell that the handler had ended
                    self.history.write(Kind.FAILED, entry.topic, entry.partition, entry.offset, entry.key)
                return


def test_a_worker_process_is_killed_in_the_middle(kafka_broker, topic, tmp_path, monkeypatch):
    count = 5_000
    produced = produce(kafka_broker.bootstrap_servers, topic(3), count, keys=KEYS)
    history = History(tmp_path / "history", process_handler.RUN)
    monkeypatch.setenv(process_handler.PATH, str(history.path))
    consumer = consume(kafka_broker.bootstrap_servers, produced.topic, "g-" + produced.topic)
    notes = NoteDeaths(history)
    plugins = [("retry", {"delay_ms": 1}), notes]
    parallel = UntilCommitted(consumer, workers=2, executor="process-pool", plugins=plugins)

    parallel.start(process_handler.handle)
    for _ in range(3):
        wait_for(has_grown(history, by=1000), "handlers to run")
        os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
    parallel.join()

    verdict = judge(read(history.path), produced)
    assert verdict.is_good, verdict
    assert verdict.records == count
    assert verdict.repeated <= len(notes.deaths) <= 3
    assert committed(kafka_broker.bootstrap_servers, "g-" + produced.topic, produced) == ends(produced)
    assert multiprocessing.active_children() == []
