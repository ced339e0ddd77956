"""Readers with read_committed see each result once and in order, whatever happens to members and to the broker."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from kafka_parallel.testing.history import Produced
from kafka_parallel.testing.pytest_plugin import broker_or_skip, topic_name
from tests.faults.conftest import rounds
from tests.faults.transacting_app import POINTS
from tests.integration.kafka_app import KEYS, PATIENCE, committed, ends, produce, wait_for

pytestmark = [pytest.mark.broker, pytest.mark.timeout(rounds(900, 3600))]

APP = Path(__file__).with_name("transacting_app.py")
PARTITIONS = 3
# More than members handle until a fault has had its effect.
PER_FAULT = 3000


class Member:
    """A process of its own that runs transacting_app.py."""

    def __init__(self, case, **options):
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        places = [case.bootstrap, case.source, case.target, case.group]
        self.process = subprocess.Popen([sys.executable, str(APP), *places, *arguments], env={**os.environ})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=PATIENCE):
        return self.process.wait(timeout)

    @property
    def has_ended(self):
        return self.process.poll() is not None


class Case:
    """Records in a topic, a topic for their results, and a reader that judges those."""

    def __init__(self, bootstrap, source, target, count):
        self.bootstrap, self.source, self.target, self.group = bootstrap, source, target, "g-" + source
        self.produced = Produced(source, {})
        self.add(count)

    def add(self, count):
        """Produce so many more: a pace of members that a machine decides must not end a test before its faults."""
        for partition, keys in produce(self.bootstrap, self.source, count, keys=KEYS, value=b"v").keys.items():
            self.produced.keys.setdefault(partition, {}).update(keys)

    def seen(self):
        """The places of the records whose results readers with read_committed see, by partition, in order."""
        partitions = [TopicPartition(self.target, number) for number in range(PARTITIONS)]
        reader, found = self._reader("read_committed"), defaultdict(list)
        reader.assign(partitions)
        reader.seek_to_beginning()
        last = self._ends_without_transactions(reader, partitions)
        while any(reader.position(partition) < last[partition] for partition in partitions):
            for records in reader.poll(timeout_ms=500).values():
                for record in records:
                    partition, offset, _ = record.value.split()
                    found[int(partition)].append(int(offset))
        reader.close()
        return dict(found)

    def _reader(self, isolation):
        config = {"isolation_level": isolation, "enable_auto_commit": False}
        return KafkaConsumer(bootstrap_servers=self.bootstrap, **config)

    def _ends_without_transactions(self, reader, partitions):
        """The ends of the results, once no transaction of a dead member is open any more."""
        all_there_is = self._reader("read_uncommitted")

        def is_none_open():
            return reader.end_offsets(partitions) == all_there_is.end_offsets(partitions)

        wait_for(is_none_open, "transactions of dead members to be aborted")
        all_there_is.close()
        return reader.end_offsets(partitions)

    def has_more(self, by=1):
        """A condition: more of the source is committed than now."""
        before = sum(committed(self.bootstrap, self.group, self.produced).values())
        return lambda: sum(committed(self.bootstrap, self.group, self.produced).values()) >= before + by

    def is_done(self):
        return committed(self.bootstrap, self.group, self.produced) == ends(self.produced)

    def finish(self):
        """Have members work until all is committed; judge the results."""
        deadline = time.monotonic() + PATIENCE
        while not self.is_done():
            assert time.monotonic() < deadline, "the source is not read to its end"
            with Member(self, sleep_ms=0) as last:
                wait_for(lambda last=last: last.has_ended or self.is_done(), "all to be committed")
                last.signal(signal.SIGTERM)
                last.wait()
        self.judge()

    def judge(self):
        seen = self.seen()
        assert seen.keys() <= self.produced.keys.keys(), "there are results of records that were not produced"
        for partition, keys in self.produced.keys.items():
            expected, offsets = sorted(keys), seen.get(partition, [])
            counts = Counter(offsets)
            assert [offset for offset in expected if offset not in counts] == [], "results are missing"
            assert [offset for offset, count in counts.items() if count > 1] == [], "results are there twice"
            assert offsets == expected


@pytest.fixture(scope="module")
def broker():
    """A broker that aborts the transactions of dead members as soon as their time is over, not within 10 s."""
    with broker_or_skip("jvm", {"transaction.abort.timed.out.transaction.cleanup.interval.ms": "200"}) as broker:
        yield broker


@pytest.fixture
def case(broker, request):
    def make(count):
        source, target = topic_name(request.node.name), topic_name(request.node.name)
        for name in (source, target):
            broker.create_topic(name, PARTITIONS)
        return Case(broker.bootstrap_servers, source, target, count)

    return make


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_a_point_of_a_transaction(case, point):
    kills = rounds(1, 20)
    case = case(2000 * kills)
    for _ in range(kills):
        options = {"kill_at": point, "kill_after": random.randint(0, 500 if point == "send" else 3)}
        with Member(case, sleep_ms=5, **options) as member:
            assert member.wait() == -signal.SIGKILL
    case.finish()


def test_a_member_that_was_frozen_beyond_its_session_writes_nothing_more(case):
    """It is frozen at any moment of a transaction; its successor goes on; then it wakes up."""
    freezes = rounds(1, 20)
    case = case(PER_FAULT)
    for _ in range(freezes):
        case.add(PER_FAULT)
        has_more = case.has_more()
        with Member(case, sleep_ms=40, session_ms=4000, transaction_ms=60_000) as zombie:
            wait_for(has_more, "the first member to commit")
            time.sleep(random.random() * 0.3)
            zombie.signal(signal.SIGSTOP)
            has_gone_on = case.has_more(100)
            with Member(case, sleep_ms=40, session_ms=4000) as second:
                with suppress(AssertionError):  # it waits for the offsets of a transaction that the zombie has open
                    wait_for(has_gone_on, "the second member to go on", timeout=15)
                zombie.signal(signal.SIGCONT)
                time.sleep(2)
                second.signal(signal.SIGTERM)
                zombie.signal(signal.SIGTERM)
                second.wait()
                zombie.wait()
    case.finish()


@pytest.mark.parametrize("assignor", ["range", "cooperative"])
def test_members_come_and_go_in_the_middle_of_transactions(case, assignor):
    visits = rounds(2, 20)
    case = case(PER_FAULT)
    with ExitStack() as stack:
        stays = stack.enter_context(Member(case, sleep_ms=20, session_ms=10_000, assignor=assignor))
        for _ in range(visits):
            case.add(PER_FAULT)
            has_more = case.has_more(50)
            visitor = stack.enter_context(Member(case, sleep_ms=20, session_ms=10_000, assignor=assignor))
            wait_for(has_more, "members to commit")
            time.sleep(1 + random.random())
            visitor.signal(random.choice([signal.SIGTERM, signal.SIGKILL]))
            visitor.wait()
        wait_for(lambda: stays.has_ended or case.is_done(), "all to be committed")
    case.finish()


def test_two_members_under_load(case):
    case = case(rounds(6000, 60_000))
    with Member(case, sleep_ms=2) as first, Member(case, sleep_ms=2) as second:
        wait_for(lambda: case.is_done() or (first.has_ended and second.has_ended), "all to be committed")
    case.finish()


def test_the_broker_is_killed_and_restarted():
    kills = rounds(1, 20)
    with broker_or_skip("jvm") as broker:
        broker.create_topic("source", PARTITIONS)
        broker.create_topic("target", PARTITIONS)
        case = Case(broker.bootstrap_servers, "source", "target", PER_FAULT)
        for _ in range(kills):
            case.add(PER_FAULT)
            has_more = case.has_more()
            with Member(case, sleep_ms=40) as member:
                wait_for(has_more, "a member to commit")
                time.sleep(random.random() * 0.3)
                broker.kill()
                broker.restart()
                has_gone_on = case.has_more()
                wait_for(lambda member=member, gone_on=has_gone_on: member.has_ended or gone_on(), "it to go on")
        case.finish()
