"""Commits where the client's position is known: partitions without a record, markers, jumps, renewals."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import RENEWAL, CommitRules
from kafka_parallel._core.offsets import OffsetLedger
from kafka_parallel._core.scheduler import Scheduler
from kafka_parallel._core.task import Task

LIMITS = BufferLimits(1000, 100_000, 8)


def scheduler(*partitions, limits=LIMITS):
    found = Scheduler(limits, commits=CommitRules())
    found.assign(partitions)
    return found


def feed(found, *offsets):
    found.learn_positions({"p": offsets[0]})
    found.feed({"p": [Task(None, offset, None, 1, 0.0) for offset in offsets]}, {})


def run(found, limit=9):
    chunk = found.dispatch.next_chunk(limit, 0.0)
    for task in chunk:
        chunk.settle(task, None)
    found.dispatch.take_in_outcomes(chunk, 0.0)


def test_a_partition_without_a_record_is_committed_where_the_client_is():
    found = scheduler("p", "q")

    starts = found.learn_positions({"p": 7})

    assert starts.offsets == found.snapshot().offsets == {"p": (7, -1)}
    assert found.unbegun == {"q"}


def test_what_holds_no_record_counts_when_nothing_is_buffered():
    found = scheduler("p")
    feed(found, 0, 1)
    found.learn_positions({"p": 9})

    assert found.snapshot().offsets == {"p": (0, -1)}
    run(found)
    assert found.snapshot().offsets == {"p": (9, -1)}


def test_what_holds_no_record_is_not_repeated_by_a_crash():
    found = scheduler("p")
    feed(found, 0)
    found.confirm_commit(found.snapshot())
    found.learn_positions({"p": 3000})

    assert found.backpressure.decide_pauses(["p"], 0.0).pause == {}
    run(found)
    found.confirm_commit(found.snapshot())
    assert found.committed_and_uncommitted() == ({"p": 3000}, {"p": 0})


def test_a_dropped_record_is_never_passed():
    found = scheduler("p")
    feed(found, 0, 1)
    found.drain(["p"])
    found.learn_positions({"p": 9})

    assert found.snapshot().offsets == {"p": (0, -1)}
    assert found.end_assignments(["p"])["p"].resume_at == 0


def test_a_position_says_nothing_where_records_are_not_taken_in():
    """The client may have passed records that it handed out after the partition began to leave."""
    found = scheduler("p")
    feed(found, 0)
    run(found)
    found.drain(["p"])

    assert found.learn_positions({"p": 5}).offsets == {}
    assert found.snapshot().offsets == {"p": (1, -1)}


def test_a_jump_back_is_a_new_assignment_and_what_runs_changes_nothing():
    found = scheduler("p")
    feed(found, 5, 6)
    found.confirm_commit(found.snapshot())
    chunk = found.dispatch.next_chunk(9, 0.0)

    starts = found.learn_positions({"p": 2})
    for task in chunk:
        chunk.settle(task, None)
    found.dispatch.take_in_outcomes(chunk, 0.0)

    assert starts.offsets == found.snapshot().offsets == {"p": (2, -1)}


def test_a_partition_that_is_paused_resumes_after_a_jump_back():
    """Its load is gone with the old assignment; were the pause forgotten too, nothing would end it in the client."""
    found = scheduler("p")
    feed(found, *range(9))
    assert found.backpressure.decide_pauses(["p"], 0.0).pause == {"p": "uncommitted"}

    found.learn_positions({"p": 0})

    assert found.backpressure.decide_pauses([], 0.0).resume == {"p"}


def test_nothing_is_waited_for_after_a_jump_back():
    found = scheduler("p")
    feed(found, 0, 1)
    found.backpressure.defer("p", 50.0)
    assert found.backpressure.decide_pauses(["p"], 0.0).pause == {"p": "not due"}

    found.learn_positions({"p": 0})

    assert found.backpressure.decide_pauses([], 0.0).resume == {"p"}


def test_an_unchanged_offset_is_renewed_with_all_that_would_be_due_soon():
    found = scheduler("p", "q", "r")
    found.learn_positions({"p": 1, "q": 2, "r": 3})
    found.confirm_commit(found.snapshot(["p"]), 0.0)
    found.confirm_commit(found.snapshot(["q"]), RENEWAL / 2)
    found.confirm_commit(found.snapshot(["r"]), RENEWAL - 1)

    assert found.snapshot(None, RENEWAL - 0.1).offsets == {}
    renewed = found.snapshot(None, RENEWAL)
    assert renewed.offsets == {"p": (1, -1), "q": (2, -1)}
    found.confirm_commit(renewed, RENEWAL)
    assert found.snapshot(None, RENEWAL).offsets == {}
    assert found.snapshot().offsets == {}


def test_a_position_below_the_one_expected_is_refused_by_a_ledger():
    ledger = OffsetLedger()
    ledger.advance_to(5)
    ledger.add_offsets([5], [1])

    with pytest.raises(ValueError, match="position 5 is below 6"):
        ledger.advance_to(5)


class Walk(RuleBasedStateMachine):
    """One partition against a model that is a list of offsets and a number: where the client is."""

    def __init__(self):
        super().__init__()
        self.found = scheduler("p", limits=BufferLimits(1000, 100_000, 1 << 40))
        self.begin_anew(None)
        self.now = 0.0

    def begin_anew(self, position):
        self.position = position
        self.unfinished, self.dropped, self.committed = set(), set(), None
        self.is_draining = False
        self.out = []

    @property
    def expected(self):
        if self.position is None:
            return None
        return min({*self.unfinished, *self.dropped, self.position})

    @rule(count=st.integers(1, 5), gap=st.integers(0, 3), forward=st.integers(0, 3))
    def poll(self, count, gap, forward):
        """Records come, with offsets between them that hold none; and maybe the client has gone on behind them."""
        first = (self.position or 0) + gap
        offsets = range(first, first + 2 * count, 2)
        if self.is_draining:
            return
        feed(self.found, *offsets)
        self.unfinished |= {*offsets}
        self.position = offsets[-1] + 1
        if forward:
            self.look(forward)

    @rule(forward=st.integers(0, 9))
    def look(self, forward):
        position = (self.position or 0) + forward
        self.found.learn_positions({"p": position})
        if not self.is_draining:
            self.position = position

    @precondition(lambda self: self.position)
    @rule(share=st.floats(0, 0.99))
    def jump_back(self, share):
        position = int(self.position * share)
        self.found.learn_positions({"p": position})
        if not self.is_draining:
            self.begin_anew(position)

    @rule(limit=st.integers(1, 4))
    def take(self, limit):
        chunk = self.found.dispatch.next_chunk(limit, 0.0)
        if chunk is None:
            return
        offsets = set()
        for task in chunk:
            chunk.settle(task, None)
            offsets.add(task.offset)
        self.out.append((chunk, offsets))

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def hand_over(self, data):
        chunk, offsets = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        self.found.dispatch.take_in_outcomes(chunk, 0.0)
        self.unfinished -= offsets

    @rule()
    def commit(self):
        self.found.confirm_commit(self.found.snapshot(), self.now)
        self.committed = self.expected

    @rule()
    def drain(self):
        self.found.drain(["p"])
        self.is_draining = True
        kept = {*self.found._assignments.get("p").ledger.sizes}
        self.dropped |= self.unfinished - kept
        self.unfinished = kept

    @rule(goes_on=st.booleans())
    def come_back(self, goes_on):
        start = self.found.end_assignments(["p"])["p"].resume_at
        assert start == self.expected
        start = start if goes_on else None
        self.found.assign(["p"], None, None if start is None else {"p": start})
        self.begin_anew(start)

    @invariant()
    def the_commit_is_the_models(self):
        due = {} if self.expected in {None, self.committed} else {"p": self.expected}
        assert {p: offset for p, (offset, _) in self.found.snapshot().offsets.items()} == due

    @invariant()
    def what_waits_for_a_position_is_known(self):
        assert self.found.unbegun == ({"p"} if self.position is None else set())
        assert self.found.expected() == ({} if self.position is None else {"p": self.position})


TestWalk = Walk.TestCase
TestWalk.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
