"""The outcome of a chunk whose records are run elsewhere, for any reports about them, in any pieces."""

from __future__ import annotations

import random
import time

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._core.outcome import Failure
from kafka_parallel._core.task import Task
from kafka_parallel._runtime.clock import SystemClock
from kafka_parallel._runtime.loop.locked_scheduler import LockedScheduler
from kafka_parallel.executors import Report
from kafka_parallel.values import Retry, Skip

LIMITS = BufferLimits(1000, 100_000, 1000)


class Deciding:
    """Attempts whose failures are decided by *answer*."""

    def __init__(self, answer):
        self.answer = answer
        self.failed = []

    def __call__(self, task):
        return self.failed_elsewhere(task, task.error, "prepare")

    def sent(self, task):
        return task.record

    def failed_elsewhere(self, task, error, stage):
        self.failed.append((task.offset, error, stage))
        return self.answer(task)


def queue_of(records, answer=lambda task: None):
    attempt = Deciding(answer)
    queue = LockedScheduler(LIMITS, commits=CommitRules(), attempt=attempt, clock=SystemClock)
    queue.assign(["p"], {}, {})
    queue.learn_positions({"p": 0})
    queue.feed({"p": [Task(offset, offset, key, 1, 0.0) for offset, key in enumerate(records)]}, {})
    return queue, attempt


def committable(queue):
    return queue.ask(lambda scheduler: scheduler._assignments.get("p").ledger.committable)


class Elsewhere:
    """Runs records in an order, in pieces and with failures that *choices* decide."""

    def __init__(self, choices):
        self.choices = choices
        self.ran = []

    def exchange(self, records, wants):
        begun = records[: self.choices.randint(1, len(records))]
        yield [Report(place, is_unbegun=True) for place in range(len(begun), len(records))]
        for place, unit in enumerate(begun):
            yield from self.run(place, unit)

    def run(self, place, unit):
        returned = 0
        for record in unit:
            self.ran.append(record)
            if self.choices.random() < 0.2:
                yield [Report(place, returned, ValueError(record))]
                return
            returned += 1
            if self.choices.random() < 0.3:
                yield [Report(place, returned)]
                returned = 0
        yield [Report(place, returned)]


@settings(max_examples=200)
@given(st.lists(st.sampled_from(["a", "b", None]), min_size=1, max_size=20), st.integers(0, 10_000))
def test_every_record_is_run_in_the_order_of_its_key_until_it_succeeds_or_is_skipped(keys, seed):
    choices = random.Random(seed)
    queue, attempt = queue_of(keys, lambda task: Skip("no") if choices.random() < 0.5 else Retry(0))
    elsewhere = Elsewhere(choices)

    while (chunk := queue.next_chunk_nowait(choices.randint(1, 20))) is not None:
        queue.run_remote(chunk, elsewhere.exchange)

    assert committable(queue) == len(keys)
    assert queue.ask(lambda scheduler: scheduler.dispatch.in_flight) == 0
    for key in "ab":
        ran = [offset for offset in elsewhere.ran if keys[offset] == key]
        assert ran == sorted(ran)
        assert set(ran) == {offset for offset, of in enumerate(keys) if of == key}
    retried = sum(1 for offset, _, _ in attempt.failed if elsewhere.ran.count(offset) > 1)
    assert len(elsewhere.ran) <= len(keys) + retried


def test_units_that_come_back_can_be_taken_by_others_while_the_first_one_runs():
    queue, _ = queue_of([None, None, None])
    stolen, sent = [], []

    def exchange(records, wants):
        sent.append(records)
        if len(sent) == 1:
            yield [Report(1, is_unbegun=True), Report(2, is_unbegun=True)]
            stolen.append(queue.next_chunk(1))
        yield [Report(0, 1)]

    queue.run_remote(queue.next_chunk_nowait(3), exchange)

    assert sent == [[[0], [1], [2]], [[1]]]
    assert [task.offset for task in stolen[0]._units[0].tasks] == [2]


def test_a_record_whose_key_could_not_be_computed_is_not_sent():
    queue, attempt = queue_of([None], lambda task: Skip("no"))
    chunk = queue.next_chunk_nowait(1)
    error = next(iter(chunk._units)).tasks[0].error = LookupError()

    queue.run_remote(chunk, lambda records, wants: pytest.fail("it was sent"))

    assert attempt.failed == [(0, error, "prepare")]
    assert committable(queue) == 1


def test_what_nobody_waits_for_is_not_sent():
    queue, attempt = queue_of(["a", "a", "a"])
    chunk = queue.next_chunk_nowait(3)
    queue.end_assignments(["p"])

    queue.run_remote(chunk, lambda records, wants: pytest.fail("it was sent"))

    assert attempt.failed == []
    assert queue.ask(lambda scheduler: scheduler.dispatch.in_flight) == 0


def test_whoever_runs_it_can_ask_whether_it_is_still_wanted():
    queue, _ = queue_of(["a", "b"])
    seen = []

    def exchange(records, wants):
        seen.append([wants(0), wants(1)])
        yield [Report(0, 1)]
        queue.end_assignments(["p"])
        seen.append([wants(0), wants(1)])
        yield [Report(1, 1)]

    queue.run_remote(queue.next_chunk_nowait(2), exchange)

    assert seen == [[True, True], [True, False]]


def test_an_exchange_that_can_run_nothing_any_more_stops_the_consumer_at_once():
    queue, _ = queue_of(["a", "b", "a"])
    error = RuntimeError("no process can be had")

    def exchange(records, wants):
        yield [Report(1, 1)]
        raise error

    with pytest.raises(RuntimeError):
        queue.run_remote(queue.next_chunk_nowait(3), exchange)

    assert queue.failure[:2] == (None, error)
    assert queue.ask(lambda scheduler: scheduler.is_drained())
    assert committable(queue) == 0


def test_a_failure_that_stops_the_consumer_leaves_what_is_behind_it():
    queue, _ = queue_of(["a", "a", "a"], lambda task: Failure(ValueError(), "no"))

    queue.run_remote(queue.next_chunk_nowait(3), lambda records, wants: iter([[Report(0, 1, ValueError())]]))

    assert committable(queue) == 1
    assert queue.failure[0].offset == 1


def test_what_is_not_ours_any_more_is_left_alone_when_the_place_where_it_runs_breaks():
    """Kind: a record in two hands. A record that went back to its key, or was given back, failed a second time here."""
    queue, _ = queue_of(["a", "a", "b", "c"], lambda task: Retry(60_000))
    chunk = queue.next_chunk_nowait(4)
    others = []

    def exchange(records, wants):
        yield [Report(0, 0, ValueError("x")), Report(2, is_unbegun=True)]
        others.append(queue.next_chunk_nowait(1))
        with queue._lock:
            others.append(queue._scheduler.dispatch.next_chunk(1, time.monotonic() + 1))
        raise OSError("the pipe broke")

    with pytest.raises(OSError, match="the pipe broke"):
        queue.run_remote(chunk, exchange)

    assert [unit.tasks[0].offset for other in others if other is not None for unit in other._units] == [3]
    assert queue.ask(lambda scheduler: scheduler.dispatch.in_flight) == 1
    assert queue.ask(lambda scheduler: scheduler._assignments.get("p").halted) == {2}
