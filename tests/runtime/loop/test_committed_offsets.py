"""One question is asked for all committed offsets, others are repeated where that helps, and their time is limited."""

from __future__ import annotations

from types import SimpleNamespace

from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import GroupAuthorizationFailedError, NodeNotReadyError

from kafka_parallel._runtime.loop.committed_offsets import COMMITS_TIMEOUT, CommittedOffsets
from kafka_parallel.testing.fake.clock import ManualClock

ZERO, ONE, TWO = (TopicPartition("t", number) for number in range(3))
COMMIT = OffsetAndMetadata(7, "text", 3)


class Broker:
    """Answers as told, one answer for each question; the last one for all others. Each question takes some time.

    :param together: the answer to the question for all partitions.
    """

    def __init__(self, *answers, seconds=0.0, together=None):
        self.clock, self.asked = ManualClock(), []
        self.joint_commits, self._together = SimpleNamespace(of=self._all_of), together
        self._answers, self._seconds = list(answers), seconds

    def _all_of(self, _, timeout):
        self.clock.sleep(min(self._seconds, timeout))
        return self._together

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


def test_one_question_is_enough():
    broker = Broker(COMMIT, together={ONE: COMMIT})
    offsets = broker.offsets()

    assert offsets.offsets([ZERO, ONE]) == ({ONE: 7}, {})
    assert offsets.with_metadata([ZERO, ONE]) == {ONE: COMMIT}
    assert broker.asked == []


def test_nothing_is_asked_for_no_partition():
    broker = Broker(COMMIT, seconds=1.0)

    assert broker.offsets().offsets([]) == ({}, {})
    assert (broker.asked, broker.clock.now) == ([], 0.0)


def test_a_broker_that_is_not_ready_is_asked_again():
    broker = Broker(NodeNotReadyError(), NodeNotReadyError(), COMMIT)

    assert broker.offsets().offsets([ZERO]) == ({ZERO: 7}, {})
    assert len(broker.asked) == 3


def test_a_refusal_is_not_asked_again():
    broker = Broker(GroupAuthorizationFailedError())

    found, unknown = broker.offsets().offsets([ZERO])

    assert (found, list(unknown)) == ({}, [ZERO])
    assert isinstance(unknown[ZERO].__cause__, GroupAuthorizationFailedError)
    assert len(broker.asked) == 1


def test_a_refusal_of_one_leaves_the_others_known():
    broker = Broker(GroupAuthorizationFailedError(), None, COMMIT)

    found, unknown = broker.offsets().offsets([ZERO, ONE, TWO])

    assert (found, list(unknown)) == ({TWO: 7}, [ZERO])


def test_the_question_for_all_leaves_time_for_each():
    """A partition that waits for a transaction lets the question wait that is for all of them."""
    broker = Broker(COMMIT, seconds=COMMITS_TIMEOUT)

    assert broker.offsets().offsets([ZERO, ONE]).found == {ZERO: 7}
    assert broker.clock.now == COMMITS_TIMEOUT


def test_all_partitions_share_one_time_limit(caplog):
    broker = Broker(NodeNotReadyError(), seconds=COMMITS_TIMEOUT)

    assert broker.offsets().with_metadata([ZERO, ONE]) == {}

    assert broker.asked == [ZERO]
    assert "the commits of t[0], t[1] are not known (NodeNotReadyError" in caplog.text


def test_partitions_without_a_commit_are_left_out():
    assert Broker(COMMIT, None).offsets().with_metadata([ONE, ZERO]) == {ZERO: COMMIT}


def test_what_is_known_counts_although_another_is_not(caplog):
    broker = Broker(GroupAuthorizationFailedError(), COMMIT)

    assert broker.offsets().with_metadata([ZERO, ONE]) == {ONE: COMMIT}
    assert "the commits of t[0] are not known" in caplog.text
