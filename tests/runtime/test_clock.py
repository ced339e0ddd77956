"""A wait is as long as was asked for, and a lock may be taken again by its holder."""

from __future__ import annotations

import threading

import pytest

from kafka_parallel._runtime.clock import SystemClock, join

YEARS = 1e14


@pytest.mark.parametrize("timeout", [YEARS, float("inf")])
def test_a_condition_is_waited_for_as_long_as_it_takes(timeout):
    condition = SystemClock.condition(SystemClock.lock())
    waits = threading.Event()

    def wake():
        waits.wait()
        with condition:
            condition.notify()

    threading.Thread(target=wake).start()
    with condition:
        waits.set()
        assert condition.wait(timeout)


def test_a_lock_may_be_taken_again_by_its_holder():
    lock = SystemClock.lock()

    with lock, lock:
        assert not run_beside(lambda: lock.acquire(blocking=False))


def test_a_thread_that_is_started_keeps_no_program_from_its_end():
    daemons = []

    SystemClock.start_thread(lambda: daemons.append(threading.current_thread().daemon), "a thread").join()

    assert daemons == [True]


def test_the_end_of_a_thread_is_waited_for_however_long():
    thread = threading.Thread(target=int)
    thread.start()

    assert join(thread, YEARS)


def run_beside(act):
    found = []
    SystemClock.start_thread(lambda: found.append(act()), "beside").join()
    return found[0]
