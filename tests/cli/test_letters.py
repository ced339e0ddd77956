"""A broker that goes silent in the middle of a dead-letter topic is told of, before the command gives up."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kafka import TopicPartition

from kafka_parallel.cli import letters
from kafka_parallel.cli.connection import NoBroker
from kafka_parallel.cli.letters import records_until

PARTITION = TopicPartition("dead", 0)


class Consumer:
    """A consumer that has read to *position*, and from then on gets *batches*, then nothing.

    :param connected: whether its broker is.
    """

    def __init__(self, *batches, connected=True):
        self.config = {"bootstrap_servers": "kafka:9092"}
        cluster = SimpleNamespace(brokers=lambda: [SimpleNamespace(node_id=1, host="kafka", port=9092)])
        self._client = SimpleNamespace(cluster=cluster, is_disconnected=lambda node: not connected)
        self._batches = list(batches)
        self._position = 0

    def position(self, partition, timeout_ms):
        return self._position

    def pause(self, *partitions):
        """Nothing comes from them anyway."""

    def poll(self, timeout_ms):
        batch = self._batches.pop(0) if self._batches else {}
        self._position += sum(map(len, batch.values()))
        return batch


def record(offset):
    return SimpleNamespace(offset=offset)


@pytest.fixture
def _impatient(monkeypatch):
    monkeypatch.setattr(letters, "PATIENCE", 0.2)
    monkeypatch.setattr(letters, "SAID_AFTER", 0.05)


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize(
    ("connected", "why"), [(False, "no broker is connected"), (True, "a broker is connected and sends nothing")]
)
def test_silence_is_said_once_before_it_is_given_up(capsys, connected, why):
    consumer, found = Consumer({PARTITION: [record(0)]}, connected=connected), []

    with pytest.raises(NoBroker, match=r"nothing came for 0\.2 s, with 1 partitions not read to their end"):
        found.extend(one.offset for one in records_until(consumer, {PARTITION: 2}))

    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"from kafka:9092 ({why}), with 1 partitions not read to their end: waiting up to 0.2 s" in said


def test_a_topic_that_is_read_to_its_end_says_nothing(capsys):
    consumer = Consumer({PARTITION: [record(0), record(1)]}, {}, {PARTITION: [record(2), record(3)]})

    assert [one.offset for one in records_until(consumer, {PARTITION: 3})] == [0, 1, 2]
    assert capsys.readouterr().err == ""
