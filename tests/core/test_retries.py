"""Failed records are due to run again in order of time, and no more of them run than may."""

from __future__ import annotations

from kafka_parallel._core.retries import Retries
from kafka_parallel._core.task import Task


def task(offset):
    return Task(None, offset, None, 1, 0.0)


def test_retries_are_due_in_order_of_time():
    retries = Retries()
    early, late = task(1), task(2)
    retries.schedule(late, due=5.0)
    retries.schedule(early, due=3.0)

    assert retries.next_due == 3.0
    assert retries.let_go_on(2.9, most=9) == []
    assert retries.let_go_on(5.0, most=9) == [early, late]
    assert retries.waiting == []


def test_chosen_retries_can_be_taken_out():
    retries = Retries()
    first, second = task(1), task(2)
    retries.schedule(first, due=5.0)
    retries.schedule(second, due=3.0)

    assert retries.take_out(lambda one: one is second) == [second]
    assert retries.tasks() == [first]


def test_no_more_go_on_than_may_run_until_some_have_ended():
    retries, tasks = Retries(), [task(offset) for offset in range(3)]
    for one in tasks:
        retries.schedule(one, due=1.0)

    assert retries.let_go_on(1.0, most=2) == tasks[:2]
    assert retries.let_go_on(9.0, most=2) == []

    retries.stop_counting(tasks[:1])

    assert retries.let_go_on(9.0, most=2) == tasks[2:]


def test_what_was_no_retry_may_end_as_well():
    retries = Retries()

    retries.stop_counting([task(0)])

    assert retries.running == set()


def test_those_due_after_a_time_are_told():
    retries, early, late = Retries(), task(1), task(2)
    retries.schedule(early, due=3.0)
    retries.schedule(late, due=5.0)

    assert retries.after(3.0) == [late]
