"""A fake cluster on a clock that stands still behaves as time says, without any waiting."""

from __future__ import annotations

import time

import pytest
from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import CommitFailedError

from kafka_parallel.testing import FakeCluster, FakeConsumer, ManualClock

PARTITION = TopicPartition("t", 0)


@pytest.fixture
def cluster():
    found = FakeCluster(ManualClock())
    found.create_topic("t", 4)
    return found


@pytest.fixture(params=["2.x", "3.x"])
def join(request, cluster):
    """A function that makes a member."""
    return lambda **config: FakeConsumer("t", cluster=cluster, group_id="g", habits=request.param, **config)


def shares(*members):
    """Let *members* poll in turn until a rebalance is over; return how many partitions each has."""
    for _ in range(4):
        for member in members:
            member.poll(0)
    return [len(member.assignment()) for member in members]


def test_a_poll_without_records_takes_its_timeout_and_nobodys_time(cluster, join):
    member, began, before = join(), time.monotonic(), cluster.clock.now
    shares(member)

    assert member.poll(timeout_ms=3_600_000) == {}

    assert cluster.clock.now - before >= 3600
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
def test_partitions_are_shared_out_again_as_members_come_and_go(join, strategy):
    first, second = (join(partition_assignment_strategy=[strategy]) for _ in range(2))

    assert shares(first) == [4]
    assert shares(first, second) == [2, 2]
    second.close()
    assert shares(first) == [4]


def test_who_does_not_poll_in_time_is_thrown_out_and_cannot_commit(cluster, join):
    slow, other = join(max_poll_interval_ms=10_000), join()
    assert shares(slow, other) == [2, 2]
    kept = sorted(slow.assignment())[0]

    cluster.clock.advance(9)
    assert shares(slow, other) == [2, 2]
    cluster.clock.advance(11)
    assert shares(other) == [4]

    with pytest.raises(CommitFailedError):
        slow.commit({kept: OffsetAndMetadata(1, "", -1)})


def test_a_static_member_keeps_its_place_for_its_session(cluster, join):
    config = {"group_instance_id": "one", "session_timeout_ms": 10_000}
    member, other = join(**config), join()
    assert shares(member, other) == [2, 2]
    had = member.assignment()
    member.close()

    cluster.clock.advance(9)
    returned = join(**config)
    assert (shares(returned, other), returned.assignment()) == ([2, 2], had)
    returned.close()
    cluster.clock.advance(11)
    assert shares(other) == [4]


def test_time_does_not_go_back(cluster):
    with pytest.raises(ValueError, match="time does not go back"):
        cluster.clock.advance(-1)
