"""Commits where the client's position is known: partitions without a record, markers, jumps, renewals."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import RENEWAL, CommitRules
from kafka_parallel._core.offsets import OffsetLedger
from kafka_parallel._core.outcome import NoVerdict
from kafka_parallel._core.scheduler import Scheduler
from kafka_parallel._core.task import Task
from kafka_parallel.values import Retry

LIMITS = BufferLimits(1000, 100_000, 8)


def scheduler(*partitions, limits=LIMITS):
    found = Scheduler(limits, commits=CommitRules())
    found.assign(partitions)
    return found


def feed(found, *offsets, key=None):
    found.learn_positions({"p": offsets[0]})
    found.feed({"p": [Task(None, offset, key, 1, 0.0) for offset in offsets]}, {})


def run(found, limit=9, now=0.0):
    """Handle what may run; return the offsets."""
    handled = []
    chunk = found.dispatch.next_chunk(limit, now)
    if chunk is None:
        return handled
    for task in chunk:
        handled += [task.offset] * task.is_wanted
        chunk.settle(task, None if task.is_wanted else NoVerdict)
    found.dispatch.take_in_outcomes(chunk, now)
    return handled


def settle_current(found, chunk, outcome=None):
    """End the record that the worker of *chunk* is at; those behind it in its unit that are not wanted do not run."""
    chunk.settle(chunk.current, outcome)
    for task in iter(lambda: chunk.current, None):
        assert not task.is_wanted
        chunk.settle(task, NoVerdict)
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


@pytest.mark.parametrize("key", [None, "k"], ids=["without order", "one key"])
def test_what_was_taken_below_a_jump_back_goes_on_and_holds_the_commit_point(key):
    """Kind: a seek back to 2 while 0 and 1 are unfinished gave them up, and the next commit passed them."""
    found = scheduler("p")
    feed(found, 0, 1, 2, 3, key=key)
    at_zero = found.dispatch.next_chunk(1, 0.0)
    next(iter(at_zero))

    starts = found.learn_positions({"p": 2})

    assert starts.offsets == {"p": (0, -1)}
    feed(found, 2, 3, key=key)
    settle_current(found, at_zero)
    assert run(found, 1) == [1], "in order, and before what comes again"
    assert found.snapshot().offsets == {"p": (2, -1)}
    assert run(found) == [2, 3]
    assert found.snapshot().offsets == {"p": (4, -1)}


def test_what_runs_at_or_above_a_jump_back_is_of_no_account_and_its_key_waits_for_it():
    found = scheduler("p")
    feed(found, 0, 1, 2, key="k")
    run(found, 1)
    at_one = found.dispatch.next_chunk(2, 0.0)
    next(iter(at_one))

    found.learn_positions({"p": 1})
    feed(found, 1, 2, key="k")

    assert run(found) == []
    settle_current(found, at_one)
    assert found.snapshot().offsets == {"p": (1, -1)}
    assert run(found) == [1, 2]


@pytest.mark.parametrize("outcome", [Retry(50), NoVerdict], ids=["a retry", "no verdict"])
def test_a_record_below_a_jump_back_that_is_tried_again_stays(outcome):
    found = scheduler("p")
    feed(found, 0, 1, key="k")
    chunk = found.dispatch.next_chunk(2, 0.0)
    next(iter(chunk))

    found.learn_positions({"p": 1})
    settle_current(found, chunk, outcome)

    assert found.snapshot().offsets == {"p": (0, -1)}
    feed(found, 1, key="k")
    assert run(found, now=1.0) == [0, 1]


def test_a_retry_that_waits_below_a_jump_back_goes_on_waiting():
    found = scheduler("p")
    feed(found, 0, 1, 2)
    chunk = found.dispatch.next_chunk(1, 0.0)
    next(iter(chunk))
    settle_current(found, chunk, Retry(50_000))
    assert run(found) == [1, 2]

    found.learn_positions({"p": 1})

    assert found.progress()["p"].head.attempt == 2
    feed(found, 1, 2)
    assert run(found) == [1, 2]
    assert found.snapshot().offsets == {"p": (0, -1)}
    assert run(found, now=50.0) == [0]
    assert found.snapshot().offsets == {"p": (3, -1)}


def test_a_worker_between_two_steps_loses_nothing_by_a_jump_back():
    """It has taken a task out of one place and not put it into the next, so the jump cannot see it."""
    found = scheduler("p")
    feed(found, 0, 1)
    chunk = found.dispatch.next_chunk(1, 0.0)
    task = chunk._units.pop()
    assert chunk.held == []

    found.learn_positions({"p": 1})

    assert task.is_wanted
    chunk._settled.append((task, None, None, ()))
    found.dispatch.take_in_outcomes(chunk, 0.0)
    assert found.snapshot().offsets == {"p": (1, -1)}


def test_records_from_which_a_second_jump_back_goes_are_given_up_too():
    found = scheduler("p")
    feed(found, *range(6))
    chunk = found.dispatch.next_chunk(6, 0.0)
    claimed = iter(chunk)
    next(claimed)

    found.learn_positions({"p": 4})
    found.learn_positions({"p": 2})

    settle_current(found, chunk)
    assert found.snapshot().offsets == {"p": (1, -1)}
    assert run(found) == [1]
    assert found.snapshot().offsets == {"p": (2, -1)}


def test_a_jump_forward_is_passed_when_all_that_was_taken_is_done():
    found = scheduler("p", limits=BufferLimits(1000, 100_000, 1000))
    feed(found, 0, 1)

    found.learn_positions({"p": 50})
    feed(found, 50)

    assert found.snapshot().offsets == {"p": (0, -1)}
    assert run(found) == [0, 1, 50]
    assert found.snapshot().offsets == {"p": (51, -1)}


def test_a_jump_back_counts_while_the_partition_leaves():
    """Kind: a handler seeks back while the run stops; the bare loop commits its target when it closes."""
    found = scheduler("p")
    feed(found, *range(4))
    chunk = found.dispatch.next_chunk(2, 0.0)
    claimed = iter(chunk)
    next(claimed)
    found.drain(["p"])

    found.learn_positions({"p": 1})

    assert not found.is_drained()
    settle_current(found, chunk)
    assert found.is_drained()
    assert found.snapshot().offsets == {"p": (1, -1)}


def test_what_was_confirmed_of_before_a_jump_back_is_not_taken_for_the_new_start():
    """A commit on its way at the jump may be of offsets above its target."""
    found = scheduler("p")
    feed(found, *range(4))
    run(found)
    on_its_way = found.snapshot()

    starts = found.learn_positions({"p": 2})
    found.confirm_commit(on_its_way)

    assert on_its_way.offsets == {"p": (4, -1)}
    assert starts.offsets == found.snapshot().offsets == {"p": (2, -1)}


def test_the_leader_epoch_is_known_after_a_jump_back():
    found = scheduler("p")
    found.learn_positions({"p": 0})
    found.feed({"p": [Task(None, offset, None, 1, 0.0) for offset in range(4)]}, {"p": [(0, 3), (2, 4), (3, 5)]})
    run(found)

    found.learn_positions({"p": 3})

    assert found.snapshot().offsets == {"p": (3, 4)}


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

    def go_back(self, position):
        """Offsets below *position* stay; those from there on that a worker has change nothing when handed over."""
        self.position, self.committed = position, None
        self.unfinished = {offset for offset in self.unfinished if offset < position}
        self.dropped = {offset for offset in self.dropped if offset < position}
        self.out = [(chunk, {offset for offset in offsets if offset < position}) for chunk, offsets in self.out]

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
        self.go_back(position)

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
