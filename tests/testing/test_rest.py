"""The judge of progress sees numbers that are wrong, each in its own way."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kafka import OffsetAndMetadata, TopicPartition

from kafka_parallel.facts import PartitionProgress
from kafka_parallel.testing import FakeCluster
from kafka_parallel.testing.simulation.checker import Checker, Violation
from kafka_parallel.testing.simulation.rest import ProgressJudge

P = TopicPartition("t", 0)
RIGHT = PartitionProgress(position=3, log_end=3, committed=3)


def judged(seen, *, at="at_rest", done=3, is_exact=True):
    cluster = FakeCluster()
    cluster.create_topic("t")
    checker = Checker(cluster, lambda record: record.key, 100, "earliest")
    for _ in range(3):
        cluster.append("t", b"v", b"k", partition=0)
    for offset in range(done):
        checker.finish("i", P, offset)
    cluster.commit("g", None, {P: OffsetAndMetadata(done, "", -1)})
    instance = SimpleNamespace(
        name="i", progress=lambda: {P: seen}, consumer=SimpleNamespace(owns=lambda partition: True)
    )
    getattr(ProgressJudge(cluster, checker, "t", is_exact=is_exact), at)(instance)


def test_right_numbers_pass():
    judged(RIGHT)
    judged(PartitionProgress())


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (PartitionProgress(position=3, log_end=3, committed=3, unfinished=1), "all is done"),
        (PartitionProgress(position=2, log_end=3, committed=2), "all is done"),
        (PartitionProgress(position=3, log_end=3, committed=2), "3 is stored"),
        (PartitionProgress(position=3, log_end=2, committed=3), "the log ends at 3"),
        (PartitionProgress(position=4, log_end=4, committed=3), "the log ends at 3"),
        (PartitionProgress(position=3, log_end=3, committed=3, head_offset=1), "the log ends at 3"),
    ],
)
def test_a_wrong_number_is_seen_at_rest(seen, said):
    with pytest.raises(Violation, match=said):
        judged(seen)


def test_a_commit_whose_answer_was_lost_may_be_unknown():
    judged(PartitionProgress(position=3, log_end=3, committed=2), is_exact=False)


def test_a_commit_that_no_broker_has_stored_is_seen_in_any_case():
    with pytest.raises(Violation, match="1 is stored"):
        judged(PartitionProgress(position=3, log_end=3, committed=2, unfinished=1), done=1, is_exact=False)


def test_a_record_that_is_held_up_and_not_counted_is_seen():
    stuck = PartitionProgress(position=3, log_end=3, committed=1, unfinished=2, head_offset=1)
    judged(stuck, at="at_standstill", done=1)

    with pytest.raises(Violation, match="2 records are left"):
        judged(PartitionProgress(position=3, log_end=3, committed=1, unfinished=1), at="at_standstill", done=1)
