"""All of the core follows the one function that says how far a lane reaches. Kind: rules, and a model."""

from __future__ import annotations

import pytest
from hypothesis import settings

from kafka_parallel._core import assignment
from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._core.rate_limits import TokenBuckets
from kafka_parallel._core.scheduler import Scheduler
from kafka_parallel._core.task import Task
from kafka_parallel.values import Retry
from tests.core.test_scheduler import Walk


@pytest.fixture
def one_scope(monkeypatch):
    """Let all partitions share their lanes, as a change of `lane_scope` would."""
    monkeypatch.setattr(assignment, "lane_scope", lambda _: "all")


def scheduler(*partitions):
    found = Scheduler(BufferLimits(1000, 100_000, 1000), commits=CommitRules())
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
    found = scheduler("p", "q")
    feed(found, "p", 0)
    feed(found, "q", 0)

    assert take(found, 1)[1] == [("p", 0)]
    assert take(found, 1)[1] == [("q", 0)]


@pytest.mark.usefixtures("one_scope")
def test_partitions_of_one_scope_share_their_lanes():
    found = scheduler("p", "q")
    feed(found, "p", 0)
    feed(found, "q", 0)

    assert take(found, 1)[1] == [("p", 0)]
    assert take(found, 1)[1] == []


@pytest.mark.usefixtures("one_scope")
def test_a_shared_lane_stays_when_one_of_its_partitions_ends():
    found = scheduler("p", "q")
    feed(found, "p", 0)
    assert take(found)[1] == [("p", 0)]
    found.end_assignments(["q"])
    found.assign(["q"])
    found.learn_positions({"q": 0})
    feed(found, "q", 0)

    assert take(found)[1] == []


@pytest.mark.usefixtures("one_scope")
def test_what_leaves_is_counted_once():
    found = scheduler("p", "q")
    feed(found, "p", 0, 1)
    feed(found, "q", 0)

    found.drain(None)

    assert found.is_drained()
    assert found.backpressure.total().records == 0


@pytest.mark.usefixtures("one_scope")
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


@pytest.mark.usefixtures("one_scope")
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


class WalkInOneScope(Walk):
    """The same walks and the same model: nothing but the scope of the lanes is another."""

    def __init__(self):
        self._scope = pytest.MonkeyPatch()
        self._scope.setattr(assignment, "lane_scope", lambda _: "all")
        super().__init__()

    def teardown(self):
        """Run everything to its end, then let lanes end at their partition again."""
        try:
            super().teardown()
        finally:
            self._scope.undo()


TestWalkInOneScope = WalkInOneScope.TestCase
TestWalkInOneScope.settings = settings(max_examples=100, stateful_step_count=40)
