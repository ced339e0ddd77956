"""Several consumers in one process, on a real broker: one signal or one error stops all, and all is committed."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from kafka_parallel.testing.history import History, Kind, read
from tests.integration.kafka_app import KEYS, Program, committed, ends, has_begun, produce, wait_for

pytestmark = pytest.mark.broker

PROGRAM = Path(__file__).with_name("two_consumers.py")


class Two:
    """Two topics with records, and the program that reads both."""

    def __init__(self, bootstrap, topic, folder, count=1500):
        self._bootstrap = bootstrap
        self.produced = [produce(bootstrap, topic(2), count, keys=KEYS) for _ in range(2)]
        self.histories = [History(folder / produced.topic) for produced in self.produced]

    def program(self, **options):
        topics = ",".join(produced.topic for produced in self.produced)
        return Program(PROGRAM, self._bootstrap, topics, ",".join(str(h.path) for h in self.histories), **options)

    def finished(self, place):
        return [entry for entry in read(self.histories[place].path, is_growing=True) if entry.kind == Kind.END]

    def uncommitted(self, place):
        """How many of its records have no commit above them."""
        produced = self.produced[place]
        found = committed(self._bootstrap, f"g-{produced.topic}", produced)
        return sum(end - found[partition] for partition, end in ends(produced).items())


def test_one_sigterm_stops_both_and_the_next_start_repeats_nothing(kafka_broker, topic, tmp_path):
    two = Two(kafka_broker.bootstrap_servers, topic, tmp_path)

    with two.program() as program:
        for history in two.histories:
            wait_for(has_begun(history), "both consumers to begin")
        program.signal(signal.SIGTERM)
        assert program.wait() == 0
    assert all(two.uncommitted(place) for place in range(2)), "the first start was to leave some"
    with two.program() as program:
        wait_for(lambda: all(len(two.finished(place)) >= 1500 for place in range(2)), "all records of both")
        program.signal(signal.SIGTERM)
        assert program.wait() == 0

    for place, history in enumerate(two.histories):
        assert two.uncommitted(place) == 0
        starts = [(entry.partition, entry.offset) for entry in read(history.path) if entry.kind == Kind.START]
        assert len(starts) == len(set(starts)) == 1500


def test_an_error_of_one_stops_the_other_which_commits_what_it_has_finished(kafka_broker, topic, tmp_path):
    two = Two(kafka_broker.bootstrap_servers, topic, tmp_path)

    with two.program(fails_at=20) as program:
        assert program.wait() == 1

    assert two.uncommitted(0) > 0
    assert 1500 - two.uncommitted(1) == len(two.finished(1))
