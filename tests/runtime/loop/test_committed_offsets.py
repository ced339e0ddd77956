"""Questions for committed offsets are repeated where that helps, and end with the time of their rebalance."""

from __future__ import annotations

import pytest
from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import GroupAuthorizationFailedError, NodeNotReadyError

from kafka_parallel._runtime.loop.committed_offsets import ANSWER_TIMEOUT, CommittedOffsets, UnknownCommitError
from kafka_parallel.testing.fake.clock import ManualClock

ZERO, ONE = TopicPartition("t", 0), TopicPartition("t", 1)
COMMIT = OffsetAndMetadata(7, "text", 3)


class Broker:
    """Answers as told, one answer for each question; the last one for all others. Each question takes some time."""

    def __init__(self, *answers, seconds=0.0):
        self.clock, self.asked = ManualClock(), []
        self._answers, self._seconds = list(answers), seconds

    def committed(self, partition, timeout, metadata=False):
        self.asked.append(partition)
        self.clock.sleep(min(self._seconds, timeout))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if metadata or answer is None else answer.offset

    def wait_until(self, _, timeout):
        self.clock.sleep(timeout)

    def offsets(self):
        return CommittedOffsets(self, self, self.clock)


def test_a_broker_that_is_not_ready_is_asked_again():
    broker = Broker(NodeNotReadyError(), NodeNotReadyError(), COMMIT)
    offsets = broker.offsets()

    assert offsets.of(ZERO, offsets.deadline()) == 7
    assert len(broker.asked) == 3


def test_a_refusal_is_not_asked_again():
    broker = Broker(GroupAuthorizationFailedError())
    offsets = broker.offsets()

    with pytest.raises(UnknownCommitError) as raised:
        offsets.of(ZERO, offsets.deadline())

    assert isinstance(raised.value.__cause__, GroupAuthorizationFailedError)
    assert len(broker.asked) == 1


def test_all_partitions_share_one_time_limit(caplog):
    broker = Broker(NodeNotReadyError(), seconds=ANSWER_TIMEOUT)

    assert broker.offsets().with_metadata([ZERO, ONE]) == {}

    assert broker.asked == [ZERO]
    assert "the commits of t[0], t[1] are not known (NodeNotReadyError" in caplog.text


def test_partitions_without_a_commit_are_left_out():
    assert Broker(COMMIT, None).offsets().with_metadata([ONE, ZERO]) == {ZERO: COMMIT}


def test_what_is_known_counts_although_another_is_not(caplog):
    broker = Broker(GroupAuthorizationFailedError(), COMMIT)

    assert broker.offsets().with_metadata([ZERO, ONE]) == {ONE: COMMIT}
    assert "the commits of t[0] are not known" in caplog.text
