"""A limit on some records: one new class and one registration, and every start and every end is told.

Kind: random walks of the scheduler with a limit of the test's own, against the plainest model.
"""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis.stateful import invariant

from kafka_parallel._core.batch_queue import BatchLimits
from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._core.dispatch import STEAL_AFTER
from kafka_parallel._core.scheduler import Scheduler
from kafka_parallel._core.times import AT_ONCE, NEVER
from kafka_parallel.values import Retry
from tests.core.test_scheduler import Walk, feed, run, scheduler, tasks_of
from tests.proof.state import tasks_in


class AtMostPerGroup:
    """At most so many records at once of each group of partitions.

    :param group_of: the function from a partition to its group, such as its topic.
    """

    def __init__(self, most, group_of):
        self.name = f"a limit of {most} per group"
        self._most, self._group_of = most, group_of
        self.running = set()

    def in_group(self, group):
        return sum(self._group_of(task.assignment.partition) == group for task in self.running)

    def earliest_start_of(self, task):
        return NEVER if self.in_group(self._group_of(task.assignment.partition)) >= self._most else AT_ONCE

    def count_starts(self, tasks, now):
        assert not self.running & {*tasks}, "none starts twice"
        self.running.update(tasks)

    def count_ends(self, tasks):
        before = len(self.running)
        self.running.difference_update(tasks)
        return len(self.running) < before


class WalkWithLimit(Walk):
    """The same walks and the same model: of each partition at most two records are in flight."""

    def __init__(self):
        super().__init__()
        self.limit = AtMostPerGroup(2, lambda partition: partition)
        self.found.throttles.set_limit(self.limit)

    @invariant()
    def the_limit_knows_what_is_in_flight(self):
        held = tasks_in(list(self.found.dispatch._chunks))
        assert self.limit.running == set(held)
        assert max(Counter(task.assignment.partition for task in held).values(), default=0) <= 2


TestWalkWithLimit = WalkWithLimit.TestCase
TestWalkWithLimit.settings = settings(max_examples=100, stateful_step_count=40)


@pytest.mark.parametrize("key", [None, "a"], ids=["without order", "by key"])
def test_what_is_taken_from_a_stuck_worker_starts_anew(key):
    found = scheduler("p")
    limit = AtMostPerGroup(2, lambda partition: partition)
    feed(found, "p", (0, None), (1, key), (2, None))
    stuck = found.dispatch.next_chunk(9, 0.0)
    found.throttles.set_limit(limit)  # the three were taken before
    next(iter(stuck))

    assert found.dispatch.next_chunk(9, STEAL_AFTER) is not None
    assert found.dispatch.next_chunk(9, 2 * STEAL_AFTER) is not None
    assert {task.offset for task in limit.running} == {1, 2}


def test_what_goes_back_before_a_partition_leaves_is_in_flight_no_more():
    found = scheduler("p", "q")
    limit = AtMostPerGroup(2, lambda _: "all")
    found.throttles.set_limit(limit)
    feed(found, "p", (0, None), (1, None))
    feed(found, "q", (0, "a"))
    next(iter(found.dispatch.next_chunk(9, 0.0)))
    assert found.dispatch.next_chunk(1, 0.0, steals=False) is None

    found.drain(["p"])

    assert [task.assignment.partition for task in tasks_of(found.dispatch.next_chunk(9, 0.0))] == ["q"]
    assert found.dispatch.next_due is None


def test_a_retry_waits_beside_others_of_its_group():
    found = scheduler("p")
    limit = AtMostPerGroup(1, lambda partition: partition)
    found.throttles.set_limit(limit)
    feed(found, "p", (0, None), (1, None))
    run(found, found.dispatch.next_chunk(9, 0.0), Retry(1000))
    other = found.dispatch.next_chunk(9, 0.0)

    assert [task.offset for task in tasks_of(other)] == [1]
    assert found.dispatch.next_chunk(9, 1.0, steals=False) is None
    run(found, other)
    assert [task.offset for task in tasks_of(found.dispatch.next_chunk(9, 1.0))] == [0]


@pytest.mark.parametrize("of", ["key", "partition", "mixed"])
def test_a_handled_batch_makes_room(of):
    found = Scheduler(BufferLimits(1000, 100_000, 1000), commits=CommitRules(), batches=BatchLimits(2, 1000, 0.0, of))
    found.assign(["p"])
    limit = AtMostPerGroup(2, lambda partition: partition)
    found.throttles.set_limit(limit)
    feed(found, "p", (0, "a"), (1, "a"), (2, "a"), (3, "a"))
    chunk = found.dispatch.next_chunk(9, 0.0)
    next(iter(chunk))
    assert len(limit.running) == 2

    chunk.settle_all(None)
    found.dispatch.take_in_outcomes(chunk, 0.0)

    assert len(limit.running) == 0
    assert found.dispatch.next_chunk(9, 0.0) is not None
