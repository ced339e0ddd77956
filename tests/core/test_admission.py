"""Admission: a new bound needs nothing but the methods of `Limit`, for records with and without order.

Kind: the rules of one core module, with a limit of the test's own: so many records of one partition at once.
"""

from __future__ import annotations

from collections import Counter

import pytest

from kafka_parallel._core.batch_queue import BatchLimits
from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._core.parking import NEVER
from kafka_parallel._core.scheduler import Scheduler
from kafka_parallel._core.task import Task
from kafka_parallel.values import Retry


class AtMost:
    """At most so many records of one partition at once."""

    def __init__(self, found, partition, most):
        self._found, self._partition, self._most = found, partition, most
        self.running = Counter()
        found.throttles.limits.append(self)

    def earliest_start_of(self, task):
        is_full = self.running[self._partition] >= self._most
        return NEVER if is_full and task.assignment.partition == self._partition else 0.0

    def count_starts(self, first, count, now):
        self.running[first.assignment.partition] += count

    def end(self, partition):
        self.running[partition] -= 1
        self._found.throttles.parked.look_again()

    def remove(self):
        self._found.throttles.limits.remove(self)
        self._found.throttles.parked.look_again()


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
    AtMost(found, "p", 1)
    feed(found, "p", (0, None), (1, key), (2, key))
    feed(found, "q", (0, None))

    assert take(found)[1] == ["p0"]
    assert take(found)[1] == ["q0"]
    assert take(found)[1] == []


@pytest.mark.parametrize("key", [None, "k"], ids=["without order", "by key"])
def test_it_starts_in_its_old_order_after_the_record_that_it_waits_for(key):
    found = scheduler()
    limit = AtMost(found, "p", 1)
    feed(found, "p", (0, None), (1, key), (2, key))
    chunk, _ = take(found)
    assert take(found)[1] == []

    found.dispatch.take_in_outcomes(chunk, 0.0)
    limit.end("p")

    assert take(found)[1] == ["p1"]
    assert take(found)[1] == []


def test_nothing_has_to_be_looked_at_in_time_for_what_waits_for_another_record():
    found = scheduler()
    AtMost(found, "p", 1)
    feed(found, "p", (0, None), (1, None))
    take(found)
    assert take(found)[1] == []

    assert found.dispatch.next_due is None
    assert found.dispatch.rate_limited(0.0) == 1


def test_a_limit_that_is_removed_holds_nothing_back():
    found = scheduler()
    limit = AtMost(found, "p", 0)
    feed(found, "p", (0, None), (1, "k"))
    assert take(found)[1] == []

    limit.remove()

    assert take(found, 9)[1] == ["p0", "p1"]


@pytest.mark.parametrize("key", [None, "k"], ids=["without order", "by key"])
def test_a_parked_record_leaves_with_its_partition(key):
    found = scheduler()
    limit = AtMost(found, "p", 0)
    feed(found, "p", (0, key), (1, key))
    assert take(found)[1] == []

    found.drain(["p"])
    assert found.is_drained(["p"])
    found.end_assignments(["p"])
    found.assign(["p"])
    found.learn_positions({"p": 0})
    limit.remove()

    assert take(found)[1] == []
    feed(found, "p", (0, key))
    assert take(found)[1] == ["p0"]
    assert found.backpressure.total().records == 1


def test_a_retry_comes_at_its_time_although_its_limit_was_full_when_it_failed():
    found = scheduler()
    limit = AtMost(found, "p", 1)
    feed(found, "p", (0, None))
    chunk = found.dispatch.next_chunk(1, 0.0)
    chunk.settle(next(iter(chunk)), Retry(5))

    found.dispatch.take_in_outcomes(chunk, 0.0)
    limit.end("p")

    assert found.dispatch.next_due == pytest.approx(0.005)
    assert found.dispatch.next_chunk(1, 0.01) is not None


@pytest.mark.parametrize("scope", ["mixed", "partition", "key"])
@pytest.mark.parametrize("key", [None, "k"], ids=["without order", "by key"])
def test_a_batch_leaves_out_what_may_not_start(scope, key):
    found = scheduler(BatchLimits(10, 1000, 0.0, scope))
    limit = AtMost(found, "p", 0)
    feed(found, "p", (0, key), (1, key))
    feed(found, "q", (0, None))

    assert [task.offset for task in next(iter(take_batch(found))).tasks] == [0]
    assert take_batch(found) is None

    limit.remove()
    assert [task.offset for task in next(iter(take_batch(found))).tasks] == [0, 1]


def take_batch(found):
    return found.dispatch.next_chunk(10, 0.0)
