"""Handing over a chunk and taking the next one in one act does both, whatever there is to take."""

from __future__ import annotations

import threading

import pytest

from kafka_parallel._core.batch_chunk import BatchChunk
from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._core.outcome import Failure
from kafka_parallel._core.task import Task
from kafka_parallel._core.task_batch import TaskBatch
from kafka_parallel._runtime.clock import SystemClock
from kafka_parallel._runtime.loop.locked_scheduler import LockedScheduler


def queue_of(*keys, attempt=lambda task: None):
    queue = LockedScheduler(BufferLimits(100, 1000, 100), commits=CommitRules(), attempt=attempt, clock=SystemClock())
    queue.assign(["p"], {}, {})
    queue.learn_positions({"p": 0})
    queue.feed({"p": [Task(None, offset, key, 1, 0.0) for offset, key in enumerate(keys)]}, {})
    return queue


def run(queue, chunk):
    for task in chunk:
        queue.run(chunk, task)
    return chunk


def committable(queue):
    return queue.snapshot().offsets["p"][0]


@pytest.mark.parametrize("take", [LockedScheduler.next_chunk, LockedScheduler.next_chunk_nowait])
def test_the_next_record_of_the_same_key_is_what_comes(take):
    queue = queue_of("a", "a")
    first = run(queue, take(queue, 1))
    assert committable(queue) == 0

    second = take(queue, 1, first)

    assert committable(queue) == 1
    assert next(iter(second)).offset == 1


def test_what_is_done_is_handed_over_although_there_is_nothing_to_take():
    queue = queue_of("a")

    assert queue.next_chunk_nowait(1, run(queue, queue.next_chunk_nowait(1))) is None

    assert committable(queue) == 1


@pytest.mark.parametrize("take", [LockedScheduler.next_chunk, LockedScheduler.next_chunk_nowait])
def test_what_is_done_is_handed_over_although_there_will_be_no_more(take):
    queue = queue_of("a", "b")
    chunk = run(queue, take(queue, 1))
    queue.close()

    assert take(queue, 1, chunk) is None

    assert queue.ask(lambda scheduler: scheduler.dispatch.in_flight) == 0


def test_a_record_that_stops_the_consumer_is_heard_of():
    error = ValueError()
    queue = queue_of("a", "b", attempt=lambda task: Failure(error, "no plugin"))

    assert queue.next_chunk_nowait(1, run(queue, queue.next_chunk(1))) is None

    task, found, reason = queue.failure
    assert (task.offset, found, reason) == (0, error, "no plugin")
    assert committable(queue) == 0


def test_after_the_end_nothing_is_given_out():
    queue = queue_of("a", "b")
    queue.close()

    assert queue.next_chunk(9) is None
    assert queue.next_chunk_nowait(9) is None


def test_a_record_of_an_assignment_that_has_ended_is_not_run():
    ran = []
    queue = queue_of("a", attempt=ran.append)
    chunk = queue.next_chunk(1)
    queue.end_assignments(["p"])

    run(queue, chunk)

    assert ran == []


def test_a_worker_waits_until_there_is_something_to_do():
    queue, taken = queue_of(), []
    worker = threading.Thread(target=lambda: taken.append(queue.next_chunk(1)))
    worker.start()

    queue.feed({"p": [Task(None, 0, "a", 1, 0.0)]}, {})
    worker.join()

    assert next(iter(taken[0])).offset == 0


def test_a_broken_executor_stops_the_consumer_and_later_errors_are_kept():
    queue, first, second = queue_of(), ValueError(), OSError()
    queue.fail(first)
    queue.fail(second)

    assert queue.failure == (None, first, "the executor broke")
    assert queue.passed_over == [(None, second, "the executor broke")]


def test_a_thread_that_waits_for_the_end_of_a_record_hears_of_it():
    queue, found = queue_of("a"), []
    chunk = queue.next_chunk(1)
    waiter = threading.Thread(
        target=lambda: found.append(queue.wait_until(lambda scheduler: scheduler.dispatch.in_flight == 0, 60.0))
    )
    waiter.start()

    queue.finish(run(queue, chunk))
    waiter.join()

    assert found == [True]


def test_a_batch_where_records_run_one_by_one_is_the_fault_of_the_executor():
    queue = queue_of("a")

    with pytest.raises(ValueError, match="records run one by one here"):
        queue.run(BatchChunk(()), TaskBatch([Task(None, 0, "a", 1, 0.0)]))


def test_a_plain_handler_is_not_awaited():
    with pytest.raises(ValueError, match="the handler is a plain function"):
        queue_of("a").run_async(None, None)
