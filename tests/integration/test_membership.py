"""Members of every kind: static, subscribed by a pattern, with partitions that stay, with a listener of their own."""

from __future__ import annotations

import re
import signal
import threading
import time

import pytest
from kafka import KafkaConsumer, TopicPartition

from kafka_parallel import ParallelConsumer
from kafka_parallel.testing.history import History, Kind, judge, read
from tests.contract.worlds import Listener
from tests.integration.kafka_app import IDLE_MS, KEYS, Worker, committed, consume, ends, produce, wait_for
from tests.joined_at_once import know_topics

pytestmark = pytest.mark.broker


def given(path, run):
    """How many partitions *run* was given, each time counted."""
    return sum(entry.kind == Kind.ASSIGNED and entry.run == run for entry in read(path, is_growing=True))


@pytest.mark.skipif("group_instance_id" not in KafkaConsumer.DEFAULT_CONFIG, reason="2.2 has no static members")
def test_a_static_member_that_is_killed_and_comes_back_moves_nothing(kafka_broker, topic, tmp_path):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(4), 20_000, keys=KEYS)
    history, group = History(tmp_path / "history"), "g-" + produced.topic
    options = {"sleep_ms": 16, "session_ms": 20_000, "until_committed": 1}

    def static(name):
        return Worker(bootstrap, produced.topic, group, history.path, instance_id=name, **options)

    with static("stays") as stays, static("returns") as killed:
        # The first to join has all four for a moment.
        shares = {2, 6}
        wait_for(lambda: given(history.path, killed.process.pid) in shares, "the second member to have its share")
        wait_for(lambda: given(history.path, stays.process.pid) in shares, "the first member to have its share")
        before = given(history.path, stays.process.pid)
        time.sleep(1)
        killed.signal(signal.SIGKILL)
        killed.wait()
        history.killed(killed.process.pid)
        with static("returns") as returned:
            wait_for(lambda: given(history.path, returned.process.pid) == 2, "the second member to be back")
            assert returned.wait() == 0
        assert stays.wait() == 0
        assert given(history.path, stays.process.pid) == before

    verdict = judge(read(history.path), produced)
    assert verdict.is_good, verdict
    assert not verdict.needless
    assert committed(bootstrap, group, produced) == ends(produced)


def test_a_topic_created_later_is_taken_up_by_a_pattern(kafka_broker, topic):
    bootstrap = kafka_broker.bootstrap_servers
    first = topic(2)
    produce(bootstrap, first, 100, keys=KEYS)
    consumer = KafkaConsumer(
        group_id="g-" + first, bootstrap_servers=bootstrap, auto_offset_reset="earliest", metadata_max_age_ms=500
    )
    consumer.subscribe(pattern=f"^{re.escape(first)}(-later)?$")
    handled: list[tuple[str, int, int]] = []

    with ParallelConsumer(consumer) as parallel:
        parallel.start(lambda record: handled.append((record.topic, record.partition, record.offset)))
        wait_for(lambda: len(handled) == 100, "the first topic to be handled")
        kafka_broker.create_topic(first + "-later", 2)
        later = produce(bootstrap, first + "-later", 100, keys=KEYS)
        wait_for(lambda: len(handled) == 200, "the second topic to be handled")

    assert len(set(handled)) == 200
    assert committed(bootstrap, "g-" + first, later) == ends(later)


def test_what_runs_on_a_retained_partition_runs_on(kafka_broker, topic):
    strategy = pytest.importorskip("kafka.coordinator.assignors.cooperative_sticky").CooperativeStickyAssignor
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(2), 200, keys=KEYS)
    config = {"partition_assignment_strategy": [strategy], "consumer_timeout_ms": float("inf")}
    stays, joins = (consume(bootstrap, produced.topic, "g-" + produced.topic, **config) for _ in range(2))
    may_end, begun, ended, elsewhere = threading.Event(), [], [], []

    def wait(record):
        begun.append((record.partition, record.offset))
        assert may_end.wait(60)
        ended.append((record.partition, record.offset))

    # A record that runs on the partition that moves does not finish in time: it is handled by the new owner too.
    with ParallelConsumer(stays, workers=8, ordering="partition", revoke_timeout_ms=500) as first:
        first.start(wait)
        wait_for(lambda: len(begun) == 2, "a record of each partition to run")
        with ParallelConsumer(joins, workers=8) as second:
            second.start(lambda record: elsewhere.append((record.partition, record.offset)))
            wait_for(lambda: len(joins.assignment()) == 1, "the second member to have its share")
            ((_, moved),), ((_, kept),) = joins.assignment(), stays.assignment()
            wait_for(lambda: len(elsewhere) == len(produced.keys[moved]), "the moved partition to be handled")
            assert ended == []
            may_end.set()
            wait_for(lambda: len(ended) == len(produced.keys[kept]) + 1, "the kept partition to be handled")

    assert sorted(offset for partition, offset in begun if partition == kept) == sorted(produced.keys[kept])
    assert [partition for partition, _ in begun].count(moved) == 1
    assert {partition for partition, _ in elsewhere} == {moved}
    assert committed(bootstrap, "g-" + produced.topic, produced) == ends(produced)


def test_a_partition_that_stays_is_handled_while_another_member_is_waited_for(kafka_broker, topic):
    strategy = pytest.importorskip("kafka.coordinator.assignors.cooperative_sticky").CooperativeStickyAssignor
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(2), 200, keys=KEYS)
    patience = {"session_timeout_ms": 60_000, "heartbeat_interval_ms": 300}
    config = {"partition_assignment_strategy": [strategy], "consumer_timeout_ms": float("inf"), **patience}
    stays, joins = (consume(bootstrap, produced.topic, "g-" + produced.topic, **config) for _ in range(2))
    know_topics(stays)
    know_topics(joins)
    handled: list[tuple[int, int]] = []

    with ParallelConsumer(stays, workers=4) as parallel:
        parallel.start(lambda record: handled.append((record.partition, record.offset)))
        wait_for(lambda: len(handled) == 200, "the only member to handle all")
        with Polled(joins, closes=False):
            wait_for(stays._coordinator.need_rejoin, "the member to hear of another one")
        # The other one does not join again, so the group waits for it.
        wait_for(lambda: len(stays.assignment()) == 1, "the member to give up a partition")
        wait_for(lambda: stays._coordinator.rejoining, "the member to join again")
        ((_, kept),) = stays.assignment()
        later = produce(bootstrap, produced.topic, 100, keys=KEYS)

        wait_for(lambda: len(handled) == 200 + len(later.keys[kept]), "the partition that stays to be handled")

        assert stays._coordinator.rejoining
        assert {partition for partition, _ in handled[200:]} == {kept}
        with Polled(joins):
            wait_for(lambda: len(joins.assignment()) == 1, "the other member to have its share")

    assert len(set(handled)) == len(handled)
    assert committed(bootstrap, "g-" + produced.topic, produced)[kept] == ends(later)[kept]


class Polled:
    """A consumer polled on a thread, the bare way."""

    def __init__(self, consumer, *, closes=True):
        self._is_over, self._consumer, self._closes = threading.Event(), consumer, closes
        self._thread = threading.Thread(target=self._poll)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._thread.join()
        if self._closes:
            self._consumer.close()

    def _poll(self):
        while not self._is_over.is_set():
            self._consumer.poll(100)


def in_parallel(consumer):
    parallel = ParallelConsumer(consumer)
    parallel.start(lambda record: None)
    return parallel


def told_by(bootstrap, name, run):
    """The calls of a user's listener while a second member joins and leaves, with *run* polling its consumer."""
    listener, config = Listener(), {"consumer_timeout_ms": float("inf"), "metadata_max_age_ms": 1000}
    first, second = (KafkaConsumer(group_id="g-" + name, bootstrap_servers=bootstrap, **config) for _ in range(2))
    first.subscribe([name], listener=listener)
    second.subscribe([name])
    know_topics(first)
    know_topics(second)
    with run(first):
        wait_for(lambda: listener.told[-1:] == [("assigned", {0, 1})], "the first assignment")
        listener.told.clear()
        with Polled(second):
            wait_for(lambda: len(second.assignment()) == 1, "the second member's share")
            wait_for(lambda: len(listener.told) == 2, "the first member's share")
        wait_for(lambda: len(listener.told) == 4, "all partitions to be back")
    return [(what, len(partitions)) for what, partitions in listener.told]


def test_a_users_listener_hears_what_it_would_hear_without_us(kafka_broker, topic):
    bootstrap = kafka_broker.bootstrap_servers

    bare = told_by(bootstrap, topic(2), Polled)
    parallel = told_by(bootstrap, topic(2), in_parallel)

    assert parallel == bare
    assert bare[:4] == [("revoked", 2), ("assigned", 1), ("revoked", 1), ("assigned", 2)]


def test_an_assigned_consumer_keeps_to_what_it_was_given(kafka_broker, topic):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(2), 200, keys=KEYS)
    group = "g-" + produced.topic
    consumer = KafkaConsumer(
        group_id=group, bootstrap_servers=bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=IDLE_MS
    )
    consumer.assign([TopicPartition(produced.topic, 1)])
    handled = []

    ParallelConsumer(consumer).run(lambda record: handled.append((record.partition, record.offset)))

    assert sorted(handled) == [(1, offset) for offset in sorted(produced.keys[1])]
    assert committed(bootstrap, group, produced) == {0: 0, 1: max(produced.keys[1]) + 1}
