"""Bounds on groups of partitions: no more in flight than they allow, none left over, and few looks at a flood.

Kind: random walks of the scheduler against the plainest model, and the meaning of each rule.
"""

from __future__ import annotations

from collections import Counter

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from hypothesis.stateful import invariant

from kafka_parallel._core.batch_queue import BatchLimits
from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._core.rate_limits import TokenBuckets
from kafka_parallel._core.scheduler import Scheduler
from kafka_parallel._core.times import AT_ONCE
from kafka_parallel.values import Retry
from tests.core.test_scheduler import Walk, feed, offsets_of, run, scheduler, tasks_of
from tests.proof.state import tasks_in

ALL = BufferLimits(100_000, 10_000_000, 100_000)


def bound(found, most, *partitions, name="bound"):
    found.throttles.limit_group(name, most, lambda partition: partition in partitions)


def end(found, chunk, *, is_batched):
    if not is_batched:
        run(found, chunk)
        return
    next(iter(chunk))
    chunk.settle_all(None)
    found.dispatch.take_in_outcomes(chunk, 0.0)


class WalkWithGroups(Walk):
    """The same walks and the same model: of each partition at most two records are in flight, and of all three."""

    def __init__(self):
        super().__init__()
        for partition in ("p", "q"):
            bound(self.found, 2, partition, name=partition)
        bound(self.found, 3, "p", "q", name="all")

    @invariant()
    def no_group_is_over_its_bound(self):
        held = tasks_in(list(self.found.dispatch._chunks))
        assert len(held) <= 3
        assert max(Counter(task.assignment.partition for task in held).values(), default=0) <= 2
        assert self.found.throttles.limits[-1]._running == set(held)


TestWalkWithGroups = WalkWithGroups.TestCase
TestWalkWithGroups.settings = settings(max_examples=100, stateful_step_count=40)


@settings(max_examples=300)
@given(st.data(), st.booleans(), st.booleans())
def test_every_record_is_handled_in_the_end_and_no_worker_spins(data, is_paced, is_batched):
    batches = BatchLimits(3, 1000, 0.0, "mixed") if is_batched else None
    found = Scheduler(ALL, commits=CommitRules(), batches=batches)
    found.assign(["p", "q", "r"])
    bound(found, data.draw(st.integers(1, 3)), "p", name="p")
    bound(found, data.draw(st.integers(1, 3)), "p", "q", name="others")
    if is_paced:
        found.throttles.rates.set_overall("rate", TokenBuckets(1.0, 2), 0.0)
    keys = st.sampled_from([None, "a", "b"])
    fed = 0
    for partition in ("p", "q", "r"):
        drawn = data.draw(st.lists(keys, min_size=1, max_size=8))
        feed(found, partition, *enumerate(drawn))
        fed += len(drawn)
    now, running = 0.0, []
    while found.dispatch.in_flight or found.unfinished():
        chunk = found.dispatch.next_chunk(data.draw(st.integers(1, 4)), now, steals=False)
        if chunk is not None:
            running.append(chunk)
            continue
        due = found.dispatch.next_due
        assert due is None or due > now, "an idle worker would look again without a pause"
        if running:
            end(found, running.pop(data.draw(st.integers(0, len(running) - 1))), is_batched=is_batched)
        else:
            assert due is not None, "nothing runs, and nothing ever will"
            now = due

    assert found.dispatch.totals.processed == fed


def test_others_go_on_and_the_oldest_that_waits_goes_first():
    found = scheduler("bulk", "urgent")
    bound(found, 2, "bulk")
    feed(found, "bulk", *((offset, None) for offset in range(6)))
    first, second = found.dispatch.next_chunk(1, 0.0), found.dispatch.next_chunk(1, 0.0)
    feed(found, "urgent", (0, None), (1, None))

    urgent = found.dispatch.next_chunk(9, 0.0, steals=False)

    assert (offsets_of(first), offsets_of(second)) == ([0], [1])
    assert {task.assignment.partition for task in tasks_of(urgent)} == {"urgent"}
    run(found, second)
    assert offsets_of(found.dispatch.next_chunk(9, 0.0, steals=False)) == [2]
    assert found.dispatch.next_chunk(9, 0.0, steals=False) is None


def test_an_end_looks_at_one_of_the_records_that_wait(monkeypatch):
    """A flood of thousands waits beside a busy group: one place must not cost a look at each of them."""
    found = Scheduler(ALL, commits=CommitRules())
    found.assign(["bulk"])
    bound(found, 1, "bulk")
    feed(found, "bulk", *((offset, None) for offset in range(2000)))
    chunk = found.dispatch.next_chunk(1, 0.0)
    assert found.dispatch.next_chunk(1, 0.0, steals=False) is None
    asked, limit = [], found.throttles.limits[0]

    def told(task, ask=limit.earliest_start_of):
        asked.append(task)
        return ask(task)

    monkeypatch.setattr(limit, "earliest_start_of", told)

    for _ in range(100):
        run(found, chunk)
        chunk = found.dispatch.next_chunk(1, 0.0, steals=False)

    assert len(asked) == 100


def test_a_key_of_a_group_keeps_its_order():
    found = scheduler("p")
    bound(found, 1, "p")
    feed(found, "p", (0, "a"), (1, "b"), (2, "a"), (3, "b"))
    order = []
    while (chunk := found.dispatch.next_chunk(9, 0.0, steals=False)) is not None:
        order += offsets_of(chunk)
        run(found, chunk)

    assert [offset for offset in order if offset % 2 == 0] == [0, 2]
    assert [offset for offset in order if offset % 2 == 1] == [1, 3]


def test_a_retry_gives_its_place_back_while_it_waits():
    found = scheduler("p")
    bound(found, 1, "p")
    feed(found, "p", (0, None), (1, None))
    run(found, found.dispatch.next_chunk(1, 0.0), Retry(1000))

    other = found.dispatch.next_chunk(1, 0.0)
    assert offsets_of(other) == [1]
    assert found.dispatch.next_chunk(1, 2.0, steals=False) is None
    run(found, other)
    assert offsets_of(found.dispatch.next_chunk(1, 2.0)) == [0]


def test_a_bound_that_is_taken_back_lets_all_go():
    found = scheduler("p")
    bound(found, 1, "p")
    feed(found, "p", (0, None), (1, None), (2, None))
    assert offsets_of(found.dispatch.next_chunk(9, 0.0)) == [0]
    assert found.dispatch.next_chunk(9, 0.0, steals=False) is None

    bound(found, float("inf"), "p")

    assert found.dispatch.next_due == AT_ONCE
    assert offsets_of(found.dispatch.next_chunk(9, 0.0)) == [1, 2]
    assert found.throttles.limits == []


@pytest.mark.parametrize("keys", [(None, None, None), ("a", "b", "c")], ids=["without order", "by key"])
def test_what_waits_for_a_place_leaves_with_its_partition(keys):
    found = scheduler("p", "q")
    bound(found, 1, "p", "q")
    feed(found, "p", *enumerate(keys))
    feed(found, "q", (0, "a"))
    chunk = found.dispatch.next_chunk(1, 0.0)
    assert found.dispatch.next_chunk(1, 0.0, steals=False) is None

    found.drain(["p"])
    run(found, chunk)
    assert found.is_drained(["p"])
    found.end_assignments(["p"])

    assert [task.assignment.partition for task in tasks_of(found.dispatch.next_chunk(9, 0.0))] == ["q"]


def test_it_is_said_which_bound_holds_a_record_back():
    found = scheduler("p", "q")
    bound(found, 1, "p", "q", name="the bound of a test")
    feed(found, "p", (0, None))
    feed(found, "q", (0, None))
    assert found.dispatch.next_chunk(1, 0.0) is not None
    assert found.dispatch.next_chunk(1, 0.0, steals=False) is None

    assert found.standing("q", 0.0).limit == "the bound of a test"
