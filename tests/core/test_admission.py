"""Admission: the rules for records with and without order, and for batches. Kind: rules of one core module."""

from __future__ import annotations

from functools import partial

import pytest

from kafka_parallel._core.batch_queue import BatchLimits
from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._core.scheduler import Scheduler
from kafka_parallel._core.task import Task
from kafka_parallel._core.times import AT_ONCE
from kafka_parallel.values import Retry
from tests.core.test_start_limit import AtMostPerGroup


class AtMostOfP(AtMostPerGroup):
    """At most so many records of partition p at once."""

    def earliest_start_of(self, task):
        return super().earliest_start_of(task) if task.assignment.partition == "p" else AT_ONCE


def most(found, number):
    """Let at most *number* records of p run at once; return the way to take that back."""
    limit = AtMostOfP(number, lambda partition: partition)
    found.throttles.set_limit(limit)
    return partial(found.throttles.set_limit, limit, is_set=False)


def scheduler(batches=None):
    found = Scheduler(BufferLimits(1000, 100_000, 1000), commits=CommitRules(), batches=batches)
    found.assign(["p", "q"])
    found.learn_positions({"p": 0, "q": 0})
    return found


def feed(found, partition, *records):
    found.feed({partition: [Task(None, offset, key, 1, 0.0) for offset, key in records]}, {})


def take(found, limit=1):
    """Take a chunk and handle its records; return it with their names."""
    chunk = found.dispatch.next_chunk(limit, 0.0, steals=False)
    if chunk is None:
        return None, []
    names = []
    for task in chunk:
        names.append(f"{task.assignment.partition}{task.offset}")
        chunk.settle(task, None)
    return chunk, names


@pytest.mark.parametrize("key", [None, "k"], ids=["without order", "by key"])
def test_what_may_not_start_yet_lets_everything_else_pass(key):
    found = scheduler()
    most(found, 1)
    feed(found, "p", (0, None), (1, key), (2, key))
    feed(found, "q", (0, None))

    assert take(found)[1] == ["p0"]
    assert take(found)[1] == ["q0"]
    assert take(found)[1] == []


@pytest.mark.parametrize("key", [None, "k"], ids=["without order", "by key"])
def test_it_starts_in_its_old_order_after_the_record_that_it_waits_for(key):
    found = scheduler()
    most(found, 1)
    feed(found, "p", (0, None), (1, key), (2, key))
    chunk, _ = take(found)
    assert take(found)[1] == []

    found.dispatch.take_in_outcomes(chunk, 0.0)

    assert take(found)[1] == ["p1"]
    assert take(found)[1] == []


def test_nothing_has_to_be_looked_at_in_time_for_what_waits_for_another_record():
    found = scheduler()
    most(found, 1)
    feed(found, "p", (0, None), (1, None))
    take(found)
    assert take(found)[1] == []

    assert found.dispatch.next_due is None
    assert found.dispatch.rate_limited(0.0) == 0


def test_a_limit_that_is_removed_holds_nothing_back():
    found = scheduler()
    remove = most(found, 0)
    feed(found, "p", (0, None), (1, "k"))
    assert take(found)[1] == []

    remove()

    assert take(found, 9)[1] == ["p0", "p1"]


@pytest.mark.parametrize("key", [None, "k"], ids=["without order", "by key"])
def test_a_parked_record_leaves_with_its_partition(key):
    found = scheduler()
    remove = most(found, 0)
    feed(found, "p", (0, key), (1, key))
    assert take(found)[1] == []

    found.drain(["p"])
    assert found.is_drained(["p"])
    found.end_assignments(["p"])
    found.assign(["p"])
    found.learn_positions({"p": 0})
    remove()

    assert take(found)[1] == []
    feed(found, "p", (0, key))
    assert take(found)[1] == ["p0"]
    assert found.backpressure.total().records == 1


def test_a_retry_comes_at_its_time_although_its_limit_was_full_when_it_failed():
    found = scheduler()
    most(found, 1)
    feed(found, "p", (0, None))
    chunk = found.dispatch.next_chunk(1, 0.0)
    chunk.settle(next(iter(chunk)), Retry(5))

    found.dispatch.take_in_outcomes(chunk, 0.0)

    assert found.dispatch.next_due == pytest.approx(0.005)
    assert found.dispatch.next_chunk(1, 0.01) is not None


@pytest.mark.parametrize("scope", ["mixed", "partition", "key"])
@pytest.mark.parametrize("key", [None, "k"], ids=["without order", "by key"])
def test_a_batch_leaves_out_what_may_not_start(scope, key):
    found = scheduler(BatchLimits(10, 1000, 0.0, scope))
    remove = most(found, 0)
    feed(found, "p", (0, key), (1, key))
    feed(found, "q", (0, None))

    assert [task.offset for task in next(iter(take_batch(found))).tasks] == [0]
    assert take_batch(found) is None

    remove()
    assert [task.offset for task in next(iter(take_batch(found))).tasks] == [0, 1]


def take_batch(found):
    return found.dispatch.next_chunk(10, 0.0)
