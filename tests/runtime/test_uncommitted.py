"""A crash repeats at most `max_uncommitted` offsets of a partition, whatever keeps the commit back."""

from __future__ import annotations

import threading
import time

import pytest
from kafka import TopicPartition
from kafka.errors import RequestTimedOutError

from kafka_parallel import ParallelConsumer
from kafka_parallel.testing import FakeConsumer
from tests.runtime.app import PARTITION, TOPIC, App

LIMIT, PATIENCE = 200, 180.0


class Stuck:
    """A handler that stays in one offset until it is let go."""

    def __init__(self, app, at, limit=LIMIT):
        self.app, self.at, self.limit = app, at, limit
        self.free = threading.Event()
        self.beyond = []

    def __call__(self, record):
        if (record.partition, record.offset) == self.at:
            self.free.wait(PATIENCE)
        elif not self.free.is_set() and record.partition == self.at[0] and record.offset >= self.at[1] + self.limit:
            self.beyond.append(record.offset)
        self.app.handled.append((record.partition, record.offset))


def until(holds):
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it did not come so far"
        threading.Event().wait(0.005)


def started(app, handle, config=None, **options):
    options = {"ordering": "unordered", "workers": 4, "max_uncommitted": LIMIT, **options}
    parallel = app.parallel(config, **options)
    parallel.start(handle)
    return parallel


@pytest.mark.parametrize("most", [500, 7])
def test_the_first_polls_bring_no_more_than_may_be_repeated(most):
    app = App(records=1000)
    handle = Stuck(app, (0, 0))

    with started(app, handle, {"max_poll_records": most, "auto_commit_interval_ms": 5}) as parallel:
        until(lambda: len(app.handled) >= LIMIT - 1 and parallel.statistics().paused == {PARTITION})
        assert (handle.beyond, sorted(app.handled)) == ([], [(0, offset) for offset in range(1, LIMIT)])
        handle.free.set()
        until(lambda: len(app.handled) == 1000)


def test_offsets_count_where_they_have_gaps():
    app = App(records=0)
    for _ in range(40):
        app.cluster.append(TOPIC, b"", b"key", partition=0, gap=69)
    handle = Stuck(app, (0, 69 + 4 * 70))

    with started(app, handle) as parallel:
        until(lambda: len(app.handled) >= 6 and parallel.statistics().paused == {PARTITION})
        assert handle.beyond == []
        handle.free.set()
        until(lambda: len(app.handled) == 40)


def test_a_record_farther_from_the_commit_than_the_limit_comes_when_all_before_it_is_committed():
    app = App(records=0)
    for _ in range(5):
        app.cluster.append(TOPIC, b"", b"key", partition=0, gap=3 * LIMIT)

    with started(app, lambda record: app.handled.append(record.offset), {"auto_commit_interval_ms": 3_600_000}):
        until(lambda: len(app.handled) == 5)


def test_what_is_finished_counts_until_a_commit_is_confirmed():
    app, handled = App(records=1000), []
    app.cluster.fail("commit", RequestTimedOutError(), times=1_000_000)

    with started(app, lambda record: handled.append(record.offset), {"auto_commit_interval_ms": 5}) as parallel:
        until(lambda: len(handled) >= LIMIT and parallel.statistics().paused == {PARTITION})
        assert max(handled) == LIMIT - 1
        app.cluster._failures.clear()
        until(lambda: len(handled) == 1000)


def test_several_partitions_each_have_their_own_limit():
    app = App(records=300)
    app.cluster.add_partitions(TOPIC, 3)
    for number in range(300):
        for partition in (1, 2):
            app.cluster.append(TOPIC, b"", b"%d" % number, partition=partition)
    handle = Stuck(app, (1, 0), limit=20)

    with started(app, handle, max_uncommitted=20) as parallel:
        until(lambda: len(app.handled) >= 619 and parallel.statistics().paused == {TopicPartition(TOPIC, 1)})
        assert (handle.beyond, len(app.handled)) == ([], 619)
        handle.free.set()
        until(lambda: len(app.handled) == 900)


class Polls(FakeConsumer):
    """Notes how long each poll may wait while something is paused."""

    waits = ()

    def poll(self, timeout_ms=0, max_records=None, update_offsets=True):
        if any(state.paused for state in self._states.values()):
            self.waits = (*self.waits, timeout_ms)
        return super().poll(timeout_ms, max_records, update_offsets)


def test_beside_a_partition_that_stays_paused_the_loop_comes_to_wait_where_records_arrive():
    app = App(records=1000)
    app.cluster.add_partitions(TOPIC, 2)
    consumer = Polls(TOPIC, cluster=app.cluster, group_id="g", auto_offset_reset="earliest")
    handle = Stuck(app, (0, 0))
    parallel = ParallelConsumer(consumer, workers=2, max_uncommitted=20, install_signal_handlers=False)

    with parallel:
        parallel.start(handle)
        until(lambda: consumer.waits and max(consumer.waits) >= 50)
        assert parallel.statistics().paused == {PARTITION}
        assert consumer.waits[0] == 0, "it may resume at once, and the loop cannot be woken in a poll"
        handle.free.set()
        until(lambda: len(app.handled) == 1000)
