"""The span of a partition, poll by poll, and the records that a poll may bring."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._core.scheduler import Scheduler
from kafka_parallel._core.task import Task


class Log:
    """A partition of which each poll brings as much as it may; every record ends at once, but for stuck ones."""

    def __init__(self, limits, offsets, partitions=("p",), stuck=(), most=500):
        self.found = Scheduler(limits, commits=CommitRules())
        self.found.assign(partitions)
        self.offsets = {partition: list(offsets) for partition in partitions}
        self.stuck, self.most = set(stuck), most
        self.taken, self.widest, self.polls, self.gave_back = [], 0, 0, 0
        self._fed = ()

    def poll(self, partition, *, commits=True):
        """One round of the loop; tell whether *partition* is fetched."""
        decision = self.found.backpressure.decide_pauses(self._fed, 0.0)
        self._fed = ()
        if commits and self.found.backpressure.commit_makes_room():
            self.commit()
        if decision.room == 0 or partition in decision.paused or not (left := self.offsets[partition]):
            return False
        batch = [Task(None, offset, None, 1, 0.0) for offset in left[: min(self.most, decision.room)]]
        self.found.learn_positions({partition: batch[0].offset})
        kept_out = self.found.feed({partition: batch}, {})
        taken = [task.offset for task in batch if task.offset < kept_out.get(partition, float("inf"))]
        del left[: len(taken)]
        self.taken += taken
        self.polls += 1
        self.gave_back += bool(kept_out)
        self._fed = (partition,)
        self.work()
        return True

    def work(self):
        while (chunk := self.found.dispatch.next_chunk(1, 0.0)) is not None:
            for task in chunk:
                if task.offset in self.stuck:
                    break  # its worker stays where it is
                chunk.settle(task, None)
            self.found.dispatch.take_in_outcomes(chunk, 0.0)

    def commit(self):
        self.found.confirm_commit(self.found.snapshot())


def test_beside_one_stuck_record_a_partition_goes_on_to_the_limit_of_its_span():
    log = Log(BufferLimits(2_000, 1 << 30, 10_000), range(20_000), stuck=[5])
    # Something else has filled the buffer for a while: the pause is for records, and ends by the mark of records.
    while log.poll("p"):
        pass

    assert (len(log.taken), log.found.backpressure.paused) == (10_000, {"p"})


def test_a_pause_for_records_ends_although_more_than_half_of_the_span_is_used():
    log = Log(BufferLimits(100, 1 << 30, 1_000), range(2_000), stuck=range(600, 700))
    while log.poll("p"):
        pass
    assert log.found.backpressure.decide_pauses((), 0.0).paused == {"p"}
    assert len(log.taken) < 1_000


@pytest.mark.parametrize("limit", [1, 2, 3, 10, 200, 10_000])
def test_a_poll_brings_no_more_than_the_span_that_is_left_and_nothing_is_given_back(limit):
    log = Log(BufferLimits(100_000, 1 << 30, limit), range(30_000), stuck=[0])
    while log.poll("p"):
        pass

    assert (len(log.taken), log.gave_back) == (limit, 0)


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=60),
    st.integers(1, 30),
    st.integers(1, 50),
    st.sets(st.integers(0, 59), max_size=3),
)
def test_no_record_is_taken_that_lies_farther_from_the_commit_than_the_limit(steps, limit, most, stuck):
    offsets = [sum(steps[: number + 1]) for number in range(len(steps))]
    log = Log(BufferLimits(40, 1000, limit), offsets, stuck=[offsets[n] for n in stuck if n < len(offsets)], most=most)
    committed, idle = offsets[0], 0
    while idle < 3:
        before = len(log.taken)
        idle = 0 if log.poll("p", commits=False) else idle + 1
        last = committed if committed > max(log.taken[:before], default=-1) else None
        for offset in log.taken[before:]:
            base = log.taken[before] if last is not None else committed
            assert offset < base + limit
        if idle == 2:
            log.commit()
            found = log.found.committed_and_uncommitted()[0].get("p", committed)
            idle, committed = (0 if found > committed else idle), found

    first_stuck = min(log.stuck, default=None)
    assert first_stuck is not None or log.taken == offsets


def test_a_partition_that_a_jump_widens_beyond_its_span_is_paused_and_no_other():
    """The next poll would have been asked for less than nothing, which the client refuses."""
    log = Log(BufferLimits(1000, 1 << 30, 10), range(6))
    log.found.assign(["q"])
    while log.poll("p", commits=False):
        pass
    assert not log.found.backpressure.paused

    log.found.learn_positions({"p": 28}, ["p"])
    log.found.learn_positions({"p": 22}, ["p"])
    decision = log.found.backpressure.decide_pauses((), 0.0)

    assert decision.pause == {"p": "uncommitted"}
    assert decision.room == 5


def test_a_partition_that_a_jump_widens_is_paused_also_where_room_is_short():
    log = Log(BufferLimits(3, 1 << 30, 10), range(6))
    log.found.assign(["q"])
    while log.poll("p", commits=False):
        pass
    log.found.learn_positions({"p": 28}, ["p"])
    log.found.learn_positions({"p": 22, "q": 0}, ["p"])
    log.found.feed({"q": [Task(None, offset, None, 1, 0.0) for offset in range(2)]}, {})

    decision = log.found.backpressure.decide_pauses(["q"], 0.0)

    assert decision.paused >= {"p"}
    assert decision.room >= 0


@pytest.mark.parametrize(("limits", "reason"), [((6, 1 << 30), "records"), ((1000, 65), "bytes")])
def test_without_room_an_empty_partition_is_paused_for_the_limit_that_is_reached(limits, reason):
    found = Scheduler(BufferLimits(*limits, 1000), commits=CommitRules())
    found.assign(["p", "empty"])
    found.learn_positions({"p": 0})
    found.feed({"p": [Task(None, offset, None, 10, 0.0) for offset in range(6)]}, {})

    assert found.backpressure.decide_pauses(["p"], 0.0).pause["empty"] == reason


def test_a_seek_back_begins_anew_and_where_an_earlier_assignment_ended_its_commit_still_counts():
    found = Scheduler(BufferLimits(1000, 1000, 10), commits=CommitRules())
    found.assign(["p"])
    found.learn_positions({"p": 0})
    found.feed({"p": [Task(None, offset, None, 1, 0.0) for offset in range(6)]}, {})
    ended = found.end_assignments(["p"])["p"]
    found.assign(["p"], starts={"p": 4})
    assert ended.resume_at == 0

    found.learn_positions({"p": 4})
    kept_out = found.feed({"p": [Task(None, offset, None, 1, 0.0) for offset in range(4, 20)]}, {})

    assert kept_out == {"p": 10}
