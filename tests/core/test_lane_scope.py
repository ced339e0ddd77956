"""All of the core follows the one function that says how far a lane reaches. Kind: rules, and a model."""

from __future__ import annotations

import pytest
from hypothesis import settings

from kafka_parallel._core.batch_queue import BatchLimits
from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._core.lane_scope import by_partition
from kafka_parallel._core.outcome import Failure
from kafka_parallel._core.rate_limits import TokenBuckets
from kafka_parallel._core.scheduler import Scheduler
from kafka_parallel._core.task import Task
from kafka_parallel.values import Retry
from tests.core.test_scheduler import Walk


def one_scope(_partition):
    """Let all partitions share their lanes."""
    return "all"


def scheduler(*partitions, lane_scope=one_scope, batches=None):
    found = Scheduler(BufferLimits(1000, 100_000, 1000), commits=CommitRules(), batches=batches, lane_scope=lane_scope)
    found.assign(partitions)
    found.learn_positions(dict.fromkeys(partitions, 0))
    return found


def feed(found, partition, *offsets, key="k"):
    found.feed({partition: [Task(None, offset, key, 1, 0.0) for offset in offsets]}, {})


def take(found, limit=9, now=0.0):
    """Take a chunk, and tell what is in it."""
    chunk = found.dispatch.next_chunk(limit, now)
    if chunk is None:
        return None, []
    tasks = [task for unit in chunk.claim_all() for task in unit.tasks]
    return chunk, [(task.assignment.partition, task.offset) for task in tasks]


def test_a_lane_ends_at_its_partition():
    found = scheduler("p", "q", lane_scope=by_partition)
    feed(found, "p", 0)
    feed(found, "q", 0)

    assert take(found, 1)[1] == [("p", 0)]
    assert take(found, 1)[1] == [("q", 0)]


def test_partitions_of_one_scope_share_their_lanes():
    found = scheduler("p", "q")
    feed(found, "p", 0)
    feed(found, "q", 0)

    assert take(found, 1)[1] == [("p", 0)]
    assert take(found, 1)[1] == []


def test_a_shared_lane_stays_when_one_of_its_partitions_ends():
    found = scheduler("p", "q")
    feed(found, "p", 0)
    assert take(found)[1] == [("p", 0)]
    found.end_assignments(["q"])
    found.assign(["q"])
    found.learn_positions({"q": 0})
    feed(found, "q", 0)

    assert take(found)[1] == []


def test_what_leaves_is_counted_once():
    found = scheduler("p", "q")
    feed(found, "p", 0, 1)
    feed(found, "q", 0)

    found.drain(None)

    assert found.is_drained()
    assert found.backpressure.total().records == 0


def test_a_key_has_one_rate_in_its_scope():
    found = scheduler("p", "q")
    found.throttles.rates.set_by_lane("plugin", TokenBuckets(1.0, 1), 0.0)
    feed(found, "p", 0)
    chunk = found.dispatch.next_chunk(1, 0.0)
    for task in chunk:
        chunk.settle(task, None)
    found.dispatch.take_in_outcomes(chunk, 0.0)
    feed(found, "q", 0)

    assert found.dispatch.next_chunk(1, 0.5) is None
    assert take(found, 1, 1.0)[1] == [("q", 0)]


def test_the_commit_point_waits_for_a_record_of_another_partition_with_the_same_key():
    found = scheduler("p", "q")
    feed(found, "p", 0)
    feed(found, "q", 0)
    chunk = found.dispatch.next_chunk(1, 0.0)
    for task in chunk:
        chunk.settle(task, Retry(1000))
    found.dispatch.take_in_outcomes(chunk, 0.0)

    assert found.standing("p", 0.0).reason == "retry"
    assert found.standing("q", 0.0).reason == "key"


def settle(found, chunk, outcomes=(), now=0.0):
    """Settle the records of *chunk*; *outcomes* tells those that were not handled, by partition and offset."""
    for task in chunk:
        chunk.settle(task, dict(outcomes).get((task.assignment.partition, task.offset)))
    found.dispatch.take_in_outcomes(chunk, now)


def behind(outcome):
    """Let p0 end with *outcome*, while q0 stands behind it in its lane, and q1 and p1 are handled."""
    found = scheduler("p", "q")
    feed(found, "p", 0)
    feed(found, "q", 0)
    feed(found, "q", 1, key="other")
    feed(found, "p", 1, key="a third")
    while (chunk := found.dispatch.next_chunk(1, 0.0)) is not None:
        settle(found, chunk, {("p", 0): outcome})
    return found


@pytest.mark.parametrize("of", ["key", "partition", "mixed"])
def test_a_batch_counts_the_records_of_all_partitions_of_its_scope(of):
    found = scheduler("p", "q", batches=BatchLimits(2, 1000, 60.0, of))
    feed(found, "p", 0)
    feed(found, "q", 0, 1, 2)

    taken = [[f"{t.assignment.partition}{t.offset}" for t in next(iter(found.dispatch.next_chunk(9, 0.0))).tasks]]
    assert taken == [["p0", "q0"]]
    found.drain()
    assert {(group.tasks, group.bytes) for group in found._backlog.ready._groups.values()} <= {(0, 0)}
    assert found.backpressure.total().records == 2


def test_a_record_leaves_that_stands_behind_a_retry_of_a_partition_that_stays():
    found = behind(Retry(60_000))

    assert found.drain(["q"], end=5.0, now=0.0)["q"].records == 1
    assert found.is_drained(["q"])
    assert found.dispatch.waiting == 1


def behind_one_that_runs():
    """A scheduler and the chunk of a record of "p", behind which one of "q" stands; another one of "q" is finished."""
    found = scheduler("p", "q")
    feed(found, "p", 0)
    feed(found, "q", 0)
    feed(found, "q", 1, key="other")
    runs, other = found.dispatch.next_chunk(1, 0.0), found.dispatch.next_chunk(1, 0.0)
    settle(found, other)
    return found, runs


def test_a_record_leaves_when_the_one_before_it_fails_while_its_partition_leaves():
    found, fails = behind_one_that_runs()
    found.drain(["q"], end=5.0, now=0.0)
    assert not found.is_drained(["q"]), "q0 may still run"

    settle(found, fails, {("p", 0): Retry(60_000)})

    assert found.is_drained(["q"])


@pytest.mark.parametrize("is_leaving", [False, True], ids=["before", "meanwhile"])
def test_nothing_waits_behind_a_record_that_stopped_the_consumer(is_leaving):
    found, fails = behind_one_that_runs()
    failure = {("p", 0): Failure(ValueError(), "why")}
    if is_leaving:
        found.drain(["q"], end=5.0, now=0.0)
        settle(found, fails, failure)
    else:
        settle(found, fails, failure)
        found.drain(end=5.0, now=0.0)

    assert found.is_drained(["q"])


def test_a_record_does_not_overtake_a_dropped_one_of_another_partition_that_leaves():
    found = behind(Retry(1_000))

    found.drain(end=0.5, now=0.0)

    assert take(found, 9, 9.0)[1] == []
    assert found.is_drained()


def test_a_record_of_a_partition_that_stays_goes_on_when_the_one_before_it_left():
    found = behind(Retry(60_000))

    found.drain(["p"], end=5.0, now=0.0)
    found.end_assignments(["p"])

    assert take(found)[1] == [("q", 0)]


class WalkInOneScope(Walk):
    """The same walks and the same model: nothing but the scope of the lanes is another."""

    LANE_SCOPE = staticmethod(one_scope)


TestWalkInOneScope = WalkInOneScope.TestCase
TestWalkInOneScope.settings = settings(max_examples=100, stateful_step_count=40)
