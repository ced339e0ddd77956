"""A process that is killed behind stuck records repeats only what its last commit did not tell. Kind: broker."""

from __future__ import annotations

import signal
import threading

import pytest
from kafka import OffsetAndMetadata, TopicPartition

from kafka_parallel import ParallelConsumer
from kafka_parallel.testing.history import History, Kind, judge, read
from kafka_parallel_plugins.offset_map.codec import decode, encode
from tests.integration.handlers import EXECUTORS
from tests.integration.kafka_app import Worker, committed, consume, ends, observer, produce, wait_for

pytestmark = pytest.mark.broker

RECORDS, PARTITIONS = 6_000, 4


class Told:
    """The records that the commits of a group tell to be finished above their offsets.

    :param consumer: asks; it is not a member of the group.
    """

    def __init__(self, consumer, produced):
        self._consumer, self._produced = consumer, produced

    def places(self):
        return {
            (partition, offset)
            for partition in self._produced.keys
            for offset in self._of(TopicPartition(self._produced.topic, partition))
        }

    def _of(self, partition):
        found = self._consumer.committed(partition, metadata=True)
        ranges = [] if found is None else decode(found.offset, found.metadata or "")
        return [offset for first, end in ranges for offset in range(first, end)]


def places_of(history, kind, run):
    entries = read(history.path, is_growing=True)
    return {(entry.partition, entry.offset) for entry in entries if entry.kind == kind and entry.run == run}


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_kill_behind_stuck_records_repeats_only_what_no_commit_told(kafka_broker, topic, tmp_path, executor):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(PARTITIONS), RECORDS, keys=[b"key-%d" % number for number in range(500)])
    history, group = History(tmp_path / "history"), "g-" + produced.topic
    options = {"executor": executor, "plugin": "offset-map", "ordering": "unordered", "commit_interval_ms": 100}
    options |= {"session_ms": 10_000, "workers": 8}

    with observer(bootstrap, group) as asking:
        told = Told(asking, produced)
        with Worker(bootstrap, produced.topic, group, history.path, hangs_at=0, sleep_ms=4, **options) as worker:
            wait_for(lambda: len(told.places()) >= RECORDS // 4, "a commit to tell a quarter of the records")
            worker.signal(signal.SIGKILL)
            worker.wait()
        first, known = worker.process.pid, told.places()
    history.killed(first)
    with Worker(bootstrap, produced.topic, group, history.path, sleep_ms=1, until_committed=1, **options) as worker:
        assert worker.wait() == 0

    finished, again = places_of(history, Kind.END, first), places_of(history, Kind.START, worker.process.pid)
    assert known <= finished
    assert finished & again == finished - known
    assert (PARTITIONS, known & again) == (len({place for place in again if place[1] == 0}), set())
    verdict = judge(list(read(history.path)), produced, lane="none")
    assert verdict.is_good, verdict
    assert committed(bootstrap, group, produced) == ends(produced)


@pytest.mark.parametrize(("jumps", "again"), [(False, [0]), (True, [*range(40)])], ids=["no seek", "seek"])
def test_a_seek_to_the_committed_offset_itself_brings_all_above_it_again(kafka_broker, topic, jumps, again):
    """It is the one target at which the partition goes on where its map counts from."""
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(1), 40)
    partition, group = TopicPartition(produced.topic, 0), "g-" + produced.topic
    with observer(bootstrap, group) as asking:
        asking.commit({partition: OffsetAndMetadata(0, encode(0, [(1, 40)]), -1)})
    consumer = consume(bootstrap, produced.topic, group, max_poll_records=2, consumer_timeout_ms=float("inf"))
    options = {"plugins": ["offset-map"], "ordering": "unordered", "workers": 2, "max_uncommitted": 5}
    handled, parallel = [], ParallelConsumer(consumer, **options)

    def handle(record):
        handled.append(record.offset)
        if jumps and len(handled) == 1:
            consumer.seek(partition, 0)

    parallel.start(handle)
    try:
        # The record that jumps may be committed, and all above it by the map, before the client is at its new position.
        wait_for(lambda: len(handled) >= jumps + len(again), "the records that come again")
        wait_for(lambda: committed(bootstrap, group, produced) == ends(produced), "the commit of all")
    finally:
        parallel.stop()
        parallel.join()

    assert sorted(handled[jumps:]) == again


def test_the_map_of_a_commit_above_the_first_record_is_believed(kafka_broker, topic):
    """Such a commit has a leader epoch, which kafka-python 2.x does not read."""
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(1), 40)
    group, release, handled = "g-" + produced.topic, threading.Event(), []

    def run(handle, is_enough):
        consumer = consume(bootstrap, produced.topic, group, consumer_timeout_ms=float("inf"))
        options = {"plugins": ["offset-map"], "ordering": "unordered", "workers": 2, "stop_timeout_ms": 100}
        with ParallelConsumer(consumer, **options) as parallel:
            parallel.start(handle)
            wait_for(is_enough, "the records of this run")

    def first(record):
        if record.offset == 5:
            release.wait(120)
        else:
            handled.append(record.offset)

    run(first, lambda: len(handled) == 39)
    release.set()
    assert committed(bootstrap, group, produced) == {0: 5}
    again = []
    run(lambda record: again.append(record.offset), lambda: committed(bootstrap, group, produced) == ends(produced))

    assert again == [5]
