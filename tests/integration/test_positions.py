"""Quiet partitions, transactions and resets on a real broker: nothing is skipped that a poll loop would have handled.

The kind: the client's position is all that is known of a partition while no record of it comes. Every test runs with
the bare client too, in a poll loop with auto-commit, which is the yardstick.
"""

from __future__ import annotations

import threading
import time

import kafka
import pytest
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import KafkaAdminClient

from kafka_parallel import ParallelConsumer
from tests.integration.kafka_app import observer, wait_for
from tests.joined_at_once import know_topics

pytestmark = pytest.mark.broker

KINDS = ["parallel", "bare"]
# How often members commit by themselves, and how soon they notice a rebalance, in milliseconds.
QUICK = {"auto_commit_interval_ms": 200, "heartbeat_interval_ms": 300, "session_timeout_ms": 10_000}


class Member:
    """A consumer that handles records on a thread of its own: with the library, or in a poll loop with auto-commit.

    :param handled: shared by the members of a group: the partition and offset of each record that was handled.
    """

    def __init__(self, kind, bootstrap, topic, group, handled, *, act=lambda _: None, **config):
        self.consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=group, **{**QUICK, **config})
        self.consumer.subscribe([topic])
        know_topics(self.consumer)
        self.handled, self._act = handled, act
        self._is_over = threading.Event()
        self.parallel = None
        if kind == "parallel":
            self.parallel = ParallelConsumer(self.consumer, workers=4)
            self.parallel.start(self._handle)
        else:
            self._loop = threading.Thread(target=self._poll)
            self._loop.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _handle(self, record):
        self._act(record)
        self.handled.append((record.partition, record.offset))

    def _poll(self):
        while not self._is_over.is_set():
            for records in self.consumer.poll(100).values():
                for record in records:
                    self._handle(record)
        self.consumer.close()

    def stop(self):
        self._is_over.set()
        if self.parallel is None:
            self._loop.join()
        else:
            self.parallel.stop()
            self.parallel.join()

    @property
    def positions(self):
        states = [(p.partition, s) for p, s in dict(self.consumer._subscription.assignment).items()]
        return {partition: state.position.offset for partition, state in states if state.position is not None}

    @property
    def is_joining(self):
        return self.consumer._coordinator.rejoining


def send(bootstrap, topic, partition, count):
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    sent = [producer.send(topic, b"x", partition=partition) for _ in range(count)]
    found = [future.get(60) for future in sent]
    producer.close()
    return [(metadata.partition, metadata.offset) for metadata in found]


def send_transaction(bootstrap, topic, count, *, commits):
    producer = KafkaProducer(bootstrap_servers=bootstrap, transactional_id=topic, linger_ms=20)
    producer.init_transactions()
    producer.begin_transaction()
    for _ in range(count):
        producer.send(topic, b"x", partition=0)
    producer.flush()  # without it, 2.x's abort_transaction() never returns
    (producer.commit_transaction if commits else producer.abort_transaction)()
    producer.close()


def committed(bootstrap, group, topic, partition=0):
    with observer(bootstrap, group) as consumer:
        return consumer.committed(TopicPartition(topic, partition))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", KINDS)
def test_a_quiet_partition_that_moves_loses_nothing_written_meanwhile(kafka_broker, topic, kind):
    """A rebalance takes as long as a handler of another partition: records written to a quiet one meanwhile arrive."""
    bootstrap, name, handled = kafka_broker.bootstrap_servers, topic(4), []
    group, begun = f"g-{name}", threading.Event()

    def act(record):
        if record.partition == 0:
            begun.set()
            time.sleep(4)

    options = {"act": act, "auto_offset_reset": "latest"}
    with Member(kind, bootstrap, name, group, handled, **options) as first:
        wait_for(lambda: len(first.positions) == 4, "the first member to know where it is")
        slow = send(bootstrap, name, 0, 1)
        assert begun.wait(60)
        with Member(kind, bootstrap, name, group, handled, **options) as second:
            wait_for(lambda: second.is_joining, "the second member to join")
            time.sleep(1.5)  # the first one hears of it with a heartbeat; the handler takes longer
            written = [place for quiet in (1, 2, 3) for place in send(bootstrap, name, quiet, 10)]
            wait_for(lambda: len(first.positions) == len(second.positions) == 2, "each to have half of the partitions")
            wait_for(lambda: {*handled} >= {*slow, *written}, "everything to be handled")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_while_nothing_runs_is_handled_after_a_quiet_run(kafka_broker, topic, kind):
    bootstrap, name, handled = kafka_broker.bootstrap_servers, topic(), []
    send(bootstrap, name, 0, 5)
    with Member(kind, bootstrap, name, f"g-{name}", handled, auto_offset_reset="latest") as quiet:
        wait_for(lambda: quiet.positions == {0: 5}, "the member to know where it is")
    assert handled == []

    written = send(bootstrap, name, 0, 10)
    with Member(kind, bootstrap, name, f"g-{name}", handled, auto_offset_reset="latest"):
        wait_for(lambda: {*handled} >= {*written}, "the records written meanwhile to be handled")

    assert sorted(handled) == written


@pytest.mark.timeout(180)
@pytest.mark.skipif(kafka.__version__.startswith("2.2."), reason="2.2's commit_transaction() never returns")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("commits", [True, False])
def test_the_commit_comes_to_the_end_behind_a_transaction(kafka_broker, topic, kind, commits):
    bootstrap, name, handled = kafka_broker.bootstrap_servers, topic(), []
    send_transaction(bootstrap, name, 3_000, commits=commits)
    options = {"isolation_level": "read_committed", "auto_offset_reset": "earliest"}

    with Member(kind, bootstrap, name, f"g-{name}", handled, **options) as member:
        wait_for(lambda: committed(bootstrap, f"g-{name}", name) == 3_001, "the end to be committed")
        if member.parallel is not None:
            wait_for(lambda: [*member.parallel.statistics().uncommitted.values()] == [0], "the answer to the commit")

    assert len(handled) == (3_000 if commits else 0)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reset", ["earliest", "latest"])
def test_an_offset_that_was_deleted_is_followed_by_the_commit(kafka_broker, topic, kind, reset):
    """Retention has deleted all records: the policy gives a position, and records written after it arrive."""
    bootstrap, name, handled = kafka_broker.bootstrap_servers, topic(), []
    group, partition = f"g-{name}", TopicPartition(name, 0)
    send(bootstrap, name, 0, 10)
    commit(bootstrap, group, partition, 5)
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.delete_records({partition: 10})
    admin.close()

    with Member(kind, bootstrap, name, group, handled, auto_offset_reset=reset):
        wait_for(lambda: committed(bootstrap, group, name) == 10, "the new position to be committed")
    written = send(bootstrap, name, 0, 3)
    with Member(kind, bootstrap, name, group, handled, auto_offset_reset=reset):
        wait_for(lambda: {*handled} >= {*written}, "the records written meanwhile to be handled")

    assert sorted(handled) == written
    assert committed(bootstrap, group, name) == 13


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", KINDS)
def test_an_offset_beyond_the_end_comes_back_with_the_position(kafka_broker, topic, kind):
    """The log was truncated, or the topic made anew: the commit goes back with the client, or records would be lost."""
    bootstrap, name, handled = kafka_broker.bootstrap_servers, topic(), []
    group = f"g-{name}"
    send(bootstrap, name, 0, 10)
    commit(bootstrap, group, TopicPartition(name, 0), 50)

    with Member(kind, bootstrap, name, group, handled, auto_offset_reset="latest"):
        wait_for(lambda: committed(bootstrap, group, name) == 10, "the new position to be committed")
    written = send(bootstrap, name, 0, 3)
    with Member(kind, bootstrap, name, group, handled, auto_offset_reset="latest"):
        wait_for(lambda: {*handled} >= {*written}, "the records written meanwhile to be handled")

    assert sorted(handled) == written


def commit(bootstrap, group, partition, offset):
    with observer(bootstrap, group) as consumer:
        consumer.assign([partition])
        consumer.commit({partition: OffsetAndMetadata(offset, "", -1)})


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_quiet_partitions_lose_nothing_through_rebalances_and_restarts(kafka_broker, topic, kind):
    bootstrap, name, handled, written = kafka_broker.bootstrap_servers, topic(6), [], []
    group, members = f"g-{name}", []

    def start():
        members.append(Member(kind, bootstrap, name, group, handled, auto_offset_reset="latest"))

    def all_have_positions():
        return sum(len(member.positions) for member in members) == 6

    try:
        start()
        wait_for(all_have_positions, "the first member to know where it is")
        for step in range(8):
            if step in {0, 1, 4, 5}:
                start()
            elif members:
                members.pop(0).stop()
            if step == 3:
                members.pop().stop()  # nothing runs now
            written += send(bootstrap, name, step % 6, 5)
        if not members:
            start()
        wait_for(all_have_positions, "the last member to have all partitions")
        written += [place for partition in range(6) for place in send(bootstrap, name, partition, 1)]
        wait_for(lambda: {*handled} >= {*written}, "everything to be handled")
    finally:
        for member in members:
            member.stop()

    assert {*handled} == {*written}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", KINDS)
def test_a_seek_back_by_a_handler_loses_nothing_that_was_taken(kafka_broker, topic, kind):
    """Kind: a jump while records below its target are unfinished; the bare loop has them in its batch, and goes on."""
    bootstrap, name, handled = kafka_broker.bootstrap_servers, topic(), []
    sought, may_end = threading.Event(), threading.Event()
    if kind == "bare":
        may_end.set()  # a loop would wait for ever

    def act(record):
        if record.offset in {0, 1}:
            may_end.wait(60)
        if record.offset == 3 and not sought.is_set():
            member.consumer.seek(TopicPartition(name, 0), 2)
            sought.set()

    written = send(bootstrap, name, 0, 10)
    group = f"g-{name}"
    with Member(kind, bootstrap, name, group, handled, act=act, auto_offset_reset="earliest") as member:
        assert sought.wait(60)
        if kind == "parallel":
            wait_for(lambda: handled.count((0, 3)) == 2, "the records from the target on to come again")
            wait_for(lambda: (0, 9) in handled, "all of them to be handled")
            assert committed(bootstrap, group, name) in {None, 0}
            may_end.set()
        wait_for(lambda: committed(bootstrap, group, name) == 10, "everything to be committed")

    assert {*handled} == {*written}
    assert [handled.count((0, offset)) for offset in (0, 1, 3)] == [1, 1, 2]
