"""The progress of partitions against the plainest model: what was taken, what is finished, what was committed."""

from __future__ import annotations

from types import SimpleNamespace

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._core.outcome import Failure
from kafka_parallel._core.progress import began_at
from kafka_parallel._core.scheduler import Scheduler
from kafka_parallel._core.task import Task
from kafka_parallel.values import Retry, Skip
from tests.core.test_scheduler import LIMITS, feed, run, scheduler

OUTCOMES = {"finish": None, "skip": Skip("dead"), "retry": Retry(5_000), "wait": Retry(0)}


def claimed(chunk):
    """Claim the first task of *chunk*."""
    return next(iter(chunk))


def test_without_a_position_nothing_is_known():
    found = scheduler("p").progress()["p"]

    assert found == (None, None, 0, 0, None, None, None)


def test_a_quiet_partition_is_where_the_client_is():
    found = scheduler("p", "q")
    found.learn_positions({"p": 7})

    assert found.progress()["p"].position == 7
    assert found.progress()["q"].position is None


def test_offsets_without_a_record_are_passed_when_the_client_says_so():
    found = scheduler("p")
    feed(found, "p", (0, "a"), (1, "b"))
    run(found, found.dispatch.next_chunk(9, 0.0))
    assert found.progress()["p"].position == 2

    found.learn_positions({"p": 4})

    assert found.progress()["p"][:4] == (4, None, 0, 2)


def test_the_head_is_the_lowest_unfinished_record_wherever_it_is():
    found = scheduler("p")
    feed(found, "p", *((offset, "key" if offset < 3 else None) for offset in range(6)))
    first = found.progress()["p"].head
    assert first.offset == 0
    chunk = found.dispatch.next_chunk(1, 0.0)
    assert found.progress()["p"].head is first
    task = claimed(chunk)
    assert found.progress()["p"].head is first
    chunk.settle(task, Retry(9_000))
    assert found.progress()["p"].head is first, "it is settled, and its outcome was not taken in"
    found.dispatch.take_in_outcomes(chunk, 1.0)
    assert found.progress()["p"].head is first

    found.dispatch.next_chunk(9, 20.0)

    assert found.progress()["p"].head is first
    assert found.progress()["p"].head_offset == 0


def test_a_record_that_stopped_the_consumer_holds_the_commit_point_and_has_no_task():
    found = scheduler("p")
    feed(found, "p", (0, "a"), (1, "b"))
    run(found, found.dispatch.next_chunk(1, 0.0), Failure(ValueError(), "no plugin"))

    assert found.progress()["p"][4:6] == (0, None)


def test_records_that_were_given_up_are_still_to_be_done():
    found = scheduler("p")
    feed(found, "p", *((offset, None) for offset in range(5)))
    run(found, found.dispatch.next_chunk(1, 0.0))
    found.drain(["p"], end=1.0)

    assert found.progress()["p"].unfinished == 4
    assert found.progress()["p"].head_offset is None, "none of them will run here"


def test_a_pause_is_told_with_its_reason():
    found = Scheduler(BufferLimits(2, 1000, 100), commits=CommitRules())
    found.assign(["p", "q"])
    feed(found, "p", (0, "a"), (1, "b"))
    found.backpressure.decide_pauses(["p"], 0.0)

    assert [seen.paused_for for seen in found.progress().values()] == ["records", "records"]


def test_a_closed_throttle_is_told_by_the_name_of_its_plugin():
    found = scheduler("p")
    feed(found, "p", (0, "a"))
    found.throttles.limit("circuit-breaker", 0)
    found.backpressure.decide_pauses(["p"], 0.0)

    assert found.progress()["p"].paused_for == "circuit-breaker"


def test_the_time_under_pressure_counts_while_a_partition_is_paused():
    found = scheduler("p")
    feed(found, "p", (0, "a"))
    pressure = found.backpressure
    pressure.decide_pauses([], 1.0)
    assert pressure.time_under_pressure(3.0) == 0.0
    found.throttles.limit("circuit-breaker", 0)
    pressure.decide_pauses([], 3.0)
    assert pressure.time_under_pressure(4.5) == 1.5
    found.throttles.limit("circuit-breaker", None)
    pressure.decide_pauses([], 5.0)

    assert pressure.time_under_pressure(100.0) == 2.0


def test_the_begin_of_an_attempt_is_when_its_worker_went_on():
    """The time of a whole chunk says nothing of its last record."""
    found = scheduler("p")
    feed(found, "p", *((offset, None) for offset in range(3)))
    chunk = found.dispatch.next_chunk(3, 1.0)
    tasks = iter(chunk)
    first = next(tasks)
    assert found.dispatch.at_work() == {first: 1.0}
    chunk.settle(first, None)
    second = next(tasks)

    found.dispatch.collect_outcomes(9.0)

    assert found.dispatch.at_work() == {second: 9.0}


def test_a_stuck_handler_began_before_its_chunk_was_taken_away():
    found = scheduler("p")
    feed(found, "p", (0, "a"), (1, "a"))
    chunk = found.dispatch.next_chunk(2, 3.0)
    task = claimed(chunk)

    found.dispatch.detach_stuck(task, 60.0)

    assert found.dispatch.at_work() == {task: 3.0}


@pytest.mark.parametrize(("measured", "began"), [(None, 5.0), (7.0, 7.0), (2.0, 5.0)])
def test_a_plugin_that_measures_knows_the_begin_better(measured, began):
    """Unless it measured an earlier attempt."""
    task = Task(SimpleNamespace(), 0, "a", 1, 0.0)
    if measured is not None:
        task.started_at = measured

    assert began_at(task, 5.0) == began


class Model:
    """The fate of each offset of a log."""

    def __init__(self, start):
        self.next = start
        self.taken, self.finished = [], set()
        self.committed = None
        self.restart_at = start

    @property
    def unfinished(self):
        return [offset for offset in self.taken if offset not in self.finished]

    @property
    def span(self):
        return max(0, self.taken[-1] + 1 - self.restart_at) if self.taken else 0


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("feed"), st.lists(st.integers(1, 3), min_size=1, max_size=5)),
        st.tuples(st.just("skip over"), st.integers(1, 3)),
        st.tuples(st.sampled_from(sorted(OUTCOMES)), st.integers(1, 3)),
        st.tuples(st.just("commit"), st.none()),
    ),
    max_size=30,
)


@given(st.integers(0, 50), STEPS)
def test_it_equals_the_plainest_model(start, steps):
    found, model, now = Scheduler(LIMITS, commits=CommitRules()), Model(start), 0.0
    found.assign(["p"])
    found.learn_positions({"p": start})
    for act, value in steps:
        now += 1.0
        if act == "feed":
            offsets = [model.next + sum(value[:place]) for place in range(len(value))]
            found.feed({"p": [Task(None, offset, offset % 3, 1, now) for offset in offsets]}, {})
            model.taken += offsets
            model.next = offsets[-1] + 1
        elif act == "skip over":
            model.next += value
            found.learn_positions({"p": model.next})
        elif act == "commit":
            snapshot = found.snapshot()
            found.confirm_commit(snapshot, now)
            if snapshot.offsets:
                model.committed = model.restart_at = min(model.unfinished, default=model.next)
        elif (chunk := found.dispatch.next_chunk(value, now)) is not None:
            ends = [task.offset for task in _settled(chunk, OUTCOMES[act])]
            found.dispatch.take_in_outcomes(chunk, now)
            model.finished.update(ends if act in ("finish", "skip") else ())
        seen = found.progress()["p"]
        head = min(model.unfinished, default=None)
        assert seen[:5] == (model.next, model.committed, len(model.unfinished), model.span, head)
        assert (None if seen.head is None else seen.head.offset) == head


def _settled(chunk, outcome):
    for task in chunk:
        chunk.settle(task, outcome)
        yield task
