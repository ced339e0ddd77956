"""A task of an ``async def`` handler is settled in its chunk exactly once, however it ends."""

from __future__ import annotations

import asyncio
import types
from contextvars import ContextVar, copy_context
from typing import NamedTuple

import pytest

from kafka_parallel import BatchFailed, HandlerTimeout, Skip
from kafka_parallel._core.assignment import Assignment
from kafka_parallel._core.outcome import NoVerdict
from kafka_parallel._core.task import Task
from kafka_parallel._core.task_batch import TaskBatch
from kafka_parallel._runtime.clock import SystemClock
from kafka_parallel._runtime.handlers.batch_attempt import BatchAttempts, of_list
from kafka_parallel._runtime.handlers.coroutine_attempt import CoroutineAttempts
from kafka_parallel._runtime.handlers.coroutine_work import CoroutineBatches, CoroutineWork
from kafka_parallel._runtime.handlers.record_attempt import Attempts


class Record(NamedTuple):
    topic: str
    partition: int
    offset: int


def task_of(offset=0):
    task = Task(Record("orders", 0, offset), offset, None, 1, 0.0)
    task.seq = offset
    task.assignment = Assignment("p", 1, "p", {})
    return task


class Chunk:
    """Notes what is settled."""

    def __init__(self):
        self.settled = []

    def settle(self, task, outcome):
        self.settled.append((task.offset, outcome))

    def settle_all(self, outcomes):
        self.settled.append(outcomes if outcomes is None else {task.offset: found for task, found in outcomes.items()})


class Attempting:
    """Stands for the attempts: begins with *rest*."""

    def __init__(self, rest=None):
        self.rest, self.begun = rest, []

    def begin_attempt(self, task, wants):
        self.begun.append(task.offset)
        return self.rest

    def cancelled(self, error):
        return "cancelled"


async def ends(outcome):
    await asyncio.sleep(0)
    return outcome


async def stays():
    await asyncio.get_running_loop().create_future()


def settled(work, task, *, wants=lambda _: True, cancels=False):
    """Run *task*; return what was settled, and whether it had ended without being awaited."""

    async def main():
        chunk = Chunk()
        rest = work.begin_task(chunk, task, wants)
        if rest is None:
            return chunk.settled, True
        waiting = asyncio.ensure_future(rest)
        if cancels:
            await asyncio.sleep(0)
            waiting.cancel()
        await waiting
        return chunk.settled, False

    return asyncio.run(main())


# Single records


def test_a_record_that_ended_at_once_is_settled_at_once():
    assert settled(CoroutineWork(Attempting(), None), task_of()) == ([(0, None)], True)


def test_a_record_is_settled_with_the_outcome_of_its_rest():
    work = CoroutineWork(Attempting(ends(Skip("enough"))), None)

    assert settled(work, task_of()) == ([(0, Skip("enough"))], False)


def test_a_record_whose_result_is_not_wanted_is_not_begun():
    attempting, task = Attempting(), task_of()
    task.assignment.live = False

    assert settled(CoroutineWork(attempting, None), task, wants=lambda _: False) == ([(0, NoVerdict)], True)
    assert attempting.begun == []


@pytest.mark.parametrize(("is_wanted", "outcome"), [(True, "cancelled"), (False, NoVerdict)])
def test_a_cancelled_record_counts_as_failed_only_if_it_is_wanted(is_wanted, outcome):
    work = CoroutineWork(Attempting(stays()), None)  # its assignment is live when it begins

    assert settled(work, task_of(), wants=lambda _: is_wanted, cancels=True) == ([(0, outcome)], False)


# Batches


class Batches:
    """The batches of one handler, whose failures are skipped."""

    def __init__(self, handler, timeout=None, around=None):
        self.asked = []
        attempts = Attempts(handler, None, self.decide, None, SystemClock())
        coroutines = CoroutineAttempts(attempts, lambda _, record: handler(record), timeout, SystemClock())
        self.batches = CoroutineBatches(BatchAttempts(of_list(handler), around, attempts), coroutines, timeout)
        self.work = CoroutineWork(coroutines, self.batches)

    def decide(self, record, error, context):
        self.asked.append((record.offset, type(error)))
        return Skip("enough")


def batch_of(*offsets):
    return TaskBatch([task_of(offset) for offset in offsets])


def test_a_batch_is_settled_as_a_whole():
    seen = []

    async def handler(records):
        await asyncio.sleep(0)
        seen.append(records)

    assert settled(Batches(handler).work, batch_of(0, 1)) == ([None], False)
    assert [[record.offset for record in records] for records in seen] == [[0, 1]]


def test_a_raise_fails_all_records_of_a_batch():
    async def handler(records):
        raise ValueError

    found = Batches(handler)

    assert settled(found.work, batch_of(0, 1)) == ([{0: Skip("enough"), 1: Skip("enough")}], False)
    assert found.asked == [(0, ValueError), (1, ValueError)]


def test_only_the_named_records_of_a_batch_have_failed():
    async def handler(records):
        raise BatchFailed({1: ValueError()})

    found = Batches(handler)

    assert settled(found.work, batch_of(0, 1, 2)) == ([{0: None, 1: Skip("enough"), 2: None}], False)
    assert found.asked == [(1, ValueError)]


def test_a_handler_that_changes_its_list_changes_nothing_else():
    async def handler(records):
        records.clear()
        raise ValueError

    assert settled(Batches(handler).work, batch_of(0)) == ([{0: Skip("enough")}], False)


def test_a_batch_that_takes_too_long_has_failed():
    async def handler(records):
        await asyncio.get_running_loop().create_future()

    found = Batches(handler, timeout=0.01)

    assert settled(found.work, batch_of(0)) == ([{0: Skip("enough")}], False)
    assert found.asked == [(0, HandlerTimeout)]


def test_a_record_whose_assignment_has_ended_is_left_out_of_the_list():
    seen = []

    async def handler(records):
        seen.append(records)

    batch = batch_of(0, 1)
    batch.tasks[0].assignment.live = False

    assert settled(Batches(handler).work, batch) == ([{0: NoVerdict, 1: None}], False)
    assert [[record.offset for record in records] for records in seen] == [[1]]


def test_a_cancelled_batch_that_is_not_wanted_has_no_verdict():
    async def handler(records):
        await asyncio.get_running_loop().create_future()

    found = Batches(handler)

    outcomes = settled(found.work, batch_of(0, 1), wants=lambda _: False, cancels=True)

    assert outcomes == ([{0: NoVerdict, 1: NoVerdict}], False)
    assert found.asked == []


def test_a_batch_that_is_thrown_away_leaves_its_wrappers_in_their_context():
    """The garbage collector closes the coroutine of an event loop that has ended, in the context that it runs in."""
    variable, left = ContextVar("variable"), []

    class Steps:
        def __init__(self, record, context):
            self.token = None

        def enter(self):
            self.token = variable.set("ours")
            return True

        def leave(self, result, error):
            variable.reset(self.token)
            left.append(type(error))

    @types.coroutine
    def wait():
        yield

    async def handler(records):
        await wait()

    running = Batches(handler, around=Steps).batches.run_batch(batch_of(0, 1), lambda _: True)
    running.send(None)

    copy_context().run(running.close)

    assert left == [GeneratorExit, GeneratorExit]


def test_a_batch_where_records_run_one_by_one_is_the_fault_of_the_executor():
    with pytest.raises(ValueError, match="records run one by one here"):
        settled(CoroutineWork(Attempting(), None), batch_of(0))
