"""The plugin's calls of its throttle, their effect on a consumer, and the settings that are refused."""

from __future__ import annotations

import asyncio
import re
import threading
from types import SimpleNamespace

import pytest

from kafka_parallel import Batch, ConfigurationError, ParallelConsumer
from kafka_parallel.testing import FakeCluster, FakeConsumer
from kafka_parallel_plugins.topic_workers import TopicWorkers
from tests.until import is_committed, run_until

TOPICS = ("bulk", "urgent", "other")


class Said:
    """A throttle that keeps its calls."""

    def __init__(self):
        self.bounds = []

    def limit_topics(self, in_flight, topics):
        self.bounds.append((in_flight, set(topics)))

    def limit_other_topics(self, in_flight, topics):
        self.bounds.append((in_flight, "all but", set(topics)))


def said(workers=16, topics=TOPICS, pattern=None, sources=(), **settings):
    throttle = Said()
    context = SimpleNamespace(workers=workers, topics=frozenset(topics), pattern=pattern, sources=dict(sources))
    TopicWorkers(**settings).on_throttle(throttle, context)
    return throttle.bounds


@pytest.mark.parametrize(
    ("settings", "bounds"),
    [
        ({"at_most": {"bulk": 4, "other": 1}}, [(4, {"bulk"}), (1, {"other"})]),
        ({"urgent": ["urgent"]}, [(12, "all but", {"urgent"})]),
        ({"urgent": ["urgent", "other"], "reserved": 15}, [(1, "all but", {"urgent", "other"})]),
        ({"urgent": ["urgent"], "workers": 2}, [(1, "all but", {"urgent"})]),
        ({"at_most": {"bulk": 4}, "sources": {"bulk-5s": "bulk", "x": "other"}}, [(4, {"bulk", "bulk-5s"})]),
        ({"urgent": ["later"], "topics": (), "pattern": re.compile(".*")}, [(12, "all but", {"later"})]),
    ],
)
def test_it_says_how_many_of_which_topics(settings, bounds):
    assert said(**settings) == bounds


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({}, "neither bounds anything"),
        (
            {"at_most": {"bulk": 0}},
            r"at_most\['bulk'\] of plugin topic-workers is 0: it must be a number of records, at least 1",
        ),
        ({"at_most": {"bulk": True}}, "number of records, at least 1"),
        ({"at_most": {"": 1}}, "number of records, at least 1"),
        ({"at_most": ["bulk"]}, "number of records, at least 1"),
        ({"urgent": "urgent"}, "a list of names of topics"),
        ({"urgent": [3]}, "a list of names of topics"),
        ({"urgent": ["urgent"], "reserved": 0}, "an integer of at least 1"),
        ({"at_most": {"bulk": 1}, "reserved": 2}, "beside urgent"),
        ({"at_most": {"bluk": 1}}, "a topic that the consumer reads"),
        ({"urgent": ["urgnet"]}, "a topic that the consumer reads"),
        ({"urgent": ["urgent"], "reserved": 16}, "less than workers=16"),
        ({"urgent": ["urgent"], "workers": 1}, "less than workers=1"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, match):
    with pytest.raises(ConfigurationError, match=match):
        said(**settings)


class Watched:
    """Counts how many records of each topic are handled at once, and lets none end before enough are."""

    def __init__(self):
        self.lock = threading.Lock()
        self.now = dict.fromkeys(TOPICS, 0)
        self.most = dict.fromkeys(TOPICS, 0)
        self.order = []

    def __call__(self, record):
        self.enter(record)
        threading.Event().wait(0.002)
        self.leave(record)

    async def handle_async(self, record):
        self.enter(record)
        await asyncio.sleep(0.002)
        self.leave(record)

    def enter(self, record):
        with self.lock:
            self.now[record.topic] += 1
            self.most[record.topic] = max(self.most[record.topic], self.now[record.topic])
            self.order.append((record.topic, record.partition, record.key, record.offset))

    def leave(self, record):
        with self.lock:
            self.now[record.topic] -= 1


def run(handler, records=60, batch=None, **options):
    cluster = FakeCluster()
    for topic in TOPICS:
        cluster.create_topic(topic, 2)
        for number in range(records):
            cluster.append(topic, b"v", b"%d" % (number % 8), partition=number % 2)
    consumer = FakeConsumer(*TOPICS, cluster=cluster, group_id="g", auto_offset_reset="earliest")
    parallel = ParallelConsumer(consumer, workers=8, install_signal_handlers=False, **options)
    run_until(lambda: is_committed(cluster, "g", TOPICS), parallel, handler, batch)
    return parallel, cluster


@pytest.mark.parametrize("executor", ["thread-pool", "asyncio"])
@pytest.mark.parametrize("ordering", ["key", "partition", "unordered"])
def test_no_more_of_a_topic_than_its_bound_and_all_in_order(executor, ordering):
    watched = Watched()
    handler = watched if executor == "thread-pool" else watched.handle_async

    parallel, cluster = run(
        handler, ordering=ordering, executor=executor, plugins=[("topic-workers", {"at_most": {"bulk": 2, "other": 3}})]
    )

    assert parallel.statistics().processed == 180
    assert watched.most["bulk"] <= 2
    assert watched.most["other"] <= 3
    assert all(cluster.committed("g", partition).offset == 30 for partition in cluster.logs)
    if ordering != "unordered":
        of_key = {}
        for topic, partition, key, offset in watched.order:
            assert of_key.get((topic, partition, key), -1) < offset
            of_key[topic, partition, key] = offset


def test_the_others_leave_the_reserved_workers_free():
    watched = Watched()

    run(watched, ordering="unordered", plugins=[("topic-workers", {"urgent": ["urgent"], "reserved": 5})])

    assert watched.most["bulk"] <= 3
    assert watched.most["other"] <= 3


def test_batches_take_a_place_for_each_record():
    most, sizes = 0, []

    def handle(records):
        sizes.append(len(records))

    parallel, _ = run(
        handle, batch=Batch(max_records=10, max_wait_ms=0, of="partition"), ordering="unordered",
        plugins=[("topic-workers", {"at_most": dict.fromkeys(TOPICS, 3)})],
    )  # fmt: skip

    assert parallel.statistics().processed == 180
    assert max(sizes) <= 3
    assert most == 0


def test_retries_of_a_topic_count_as_its_own():
    watched, failed = Watched(), set()

    def handle(record):
        watched(record)
        place = (record.topic, record.partition, record.offset)
        if record.offset % 3 == 0 and place not in failed:
            failed.add(place)
            raise OSError("once")

    parallel, _ = run(
        handle, plugins=[("retry", {"delay_ms": 1}), ("topic-workers", {"at_most": {"bulk": 2}})]
    )  # fmt: skip

    assert parallel.statistics().processed == 180
    assert watched.most["bulk"] <= 2
