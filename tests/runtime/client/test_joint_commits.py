"""Commits of several partitions are had by one question, or each is asked for alone."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaTimeoutError

from kafka_parallel._runtime.client.joint_commits import JointCommits
from kafka_parallel.testing import FakeCluster, FakeConsumer

ZERO, ONE = TopicPartition("t", 0), TopicPartition("t", 1)


class ElsewhereCommitted(FakeConsumer):
    """A program's consumer that keeps its offsets elsewhere."""

    def committed(self, partition, metadata=False, timeout_ms=None):
        return 77


class AskedCluster:
    """A cluster with two partitions of which the first has a commit, and a consumer that asks it."""

    def __init__(self, kind=FakeConsumer, habits="3.x", **config):
        self.cluster = FakeCluster()
        self.cluster.create_topic("t", 2)
        self.consumer = kind(cluster=self.cluster, habits=habits, group_id="g", **config)
        self.commit(4)
        self.questions, self._answer = 0, self.cluster.on_call
        self.cluster.on_call = self._count

    def _count(self, call, moment):
        self.questions += call == "committed"
        self._answer(call, moment)

    def commit(self, offset):
        self.cluster.commit("g", None, {ZERO: OffsetAndMetadata(offset, "note", -1)})


def test_one_question_has_all_commits_with_their_metadata():
    asking = AskedCluster()

    assert JointCommits(asking.consumer).of([ZERO, ONE], 1.0) == {ZERO: OffsetAndMetadata(4, "note", -1)}
    assert asking.questions == 1


def test_the_time_is_handed_on():
    asked = []
    coordinator = SimpleNamespace(_offset_fetch_futures={})
    coordinator.fetch_committed_offsets = lambda partitions, timeout_ms: asked.append((partitions, timeout_ms)) or {}
    consumer = AskedCluster().consumer
    consumer._coordinator = coordinator

    assert JointCommits(consumer).of([ZERO], 1.5) == {}
    assert asked == [([ZERO], 1500)]


def test_an_error_leaves_each_to_be_asked_for_alone():
    asking = AskedCluster()
    asking.cluster.fail("committed", KafkaTimeoutError())

    assert JointCommits(asking.consumer).of([ZERO, ONE], 1.0) is None


@pytest.mark.parametrize("habits", ["2.x", "3.x"])
def test_a_late_answer_is_not_taken_for_the_next_one(habits):
    """Another member may have committed since."""
    asking = AskedCluster(habits=habits)
    commits = JointCommits(asking.consumer)
    asking.cluster.fail("committed", KafkaTimeoutError(), times=2)
    assert commits.of([ZERO, ONE], 1.0) is None
    with pytest.raises(KafkaTimeoutError):
        asking.consumer.committed(ZERO)
    asking.commit(9)

    commits.drop_late_answers()

    assert commits.of([ZERO, ONE], 1.0)[ZERO].offset == 9
    assert asking.consumer.committed(ZERO) == 9


def test_a_client_that_keeps_no_answers_has_none_to_drop():
    consumer = AskedCluster().consumer
    consumer._coordinator = SimpleNamespace()

    JointCommits(consumer).drop_late_answers()


def test_a_committed_of_the_programs_own_is_asked_instead(caplog):
    asking = AskedCluster(kind=ElsewhereCommitted)
    commits = JointCommits(asking.consumer)

    with caplog.at_level(logging.INFO, "kafka_parallel.rebalance"):
        assert [commits.of([ZERO], 1.0), commits.of([ONE], 1.0)] == [None, None]

    (line,) = caplog.records
    assert line.getMessage().endswith("a round trip each: ElsewhereCommitted has a committed() of its own")


@pytest.mark.parametrize(
    "coordinator",
    [
        SimpleNamespace(_offset_fetch_futures={}),
        SimpleNamespace(_offset_fetch_futures={}, fetch_committed_offsets=lambda partitions: {}),
    ],
    ids=["gone", "takes no time"],
)
def test_a_coordinator_that_is_not_the_known_one_is_not_asked(coordinator, caplog):
    consumer = AskedCluster().consumer
    consumer._coordinator = coordinator

    with caplog.at_level(logging.INFO, "kafka_parallel.rebalance"):
        assert JointCommits(consumer).of([ZERO], 1.0) is None

    assert "commits are asked for partition by partition, a round trip each: " in caplog.text


@pytest.mark.parametrize("answer", [None, [], {ZERO: 4}, {ONE: OffsetAndMetadata(4, "", -1)}])
def test_an_answer_of_another_kind_is_not_taken(answer):
    consumer = AskedCluster().consumer
    consumer._coordinator = SimpleNamespace(
        _offset_fetch_futures={}, fetch_committed_offsets=lambda partitions, timeout_ms: answer
    )

    assert JointCommits(consumer).of([ZERO], 1.0) is None
