"""Kind: a signal handler of the application that raises: `sys.exit(0)` in one of SIGTERM, Ctrl-C, an alarm.

Python runs it between any two steps of the main thread. The tests raise where it may: as a function is entered.
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

import pytest

import kafka_parallel
from tests.runtime.app import PARTITION, TOPIC, App

LIBRARY = str(Path(kafka_parallel.__file__).parent)


class Raising:
    """Raises in the *nth* function of the library that this thread enters after *moment* has come.

    :param moment: a function of a traced frame, its event and argument.
    """

    def __init__(self, moment, nth, error=SystemExit):
        self._moment, self._nth, self._error = moment, nth, error
        self._has_come = False
        self.has_raised = False

    def __enter__(self):
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_):
        sys.settrace(self._before)

    def _trace(self, frame, event, argument):
        if not frame.f_code.co_filename.startswith(LIBRARY) or "testing" in frame.f_code.co_filename:
            return None
        if self._has_come and event == "call":
            self._nth -= 1
            if self._nth == 0:
                sys.settrace(None)
                self.has_raised = True
                raise self._error
        self._has_come = self._has_come or self._moment(frame, event, argument)
        return self._trace


def place(frame):
    return f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}"


def is_return_of(name):
    return lambda frame, event, _: event == "return" and place(frame) == name


@pytest.mark.parametrize("nth", range(1, 16))
def test_records_that_a_poll_has_just_returned_are_not_passed(nth):
    app = App(10)

    def handle(record):
        app.handled.append(record.offset)
        if record.offset == 9:
            for _ in range(10):
                app.cluster.append(TOPIC, b"late", b"key", partition=0)

    def has_polled_late_ones(frame, event, returned):
        is_poll = event == "return" and place(frame) == "consumer_adapter.poll"
        return is_poll and bool(returned) and returned[PARTITION][0].offset >= 10

    consumer = {"consumer_timeout_ms": 5000, "max_poll_records": 10}
    with Raising(has_polled_late_ones, nth) as raising:
        error = app._run(app.parallel(consumer), handle)

    assert raising.has_raised
    assert isinstance(error, SystemExit)
    assert set(range(app.committed)) <= set(app.handled)


WAY_OUT = [
    "poll_loop.is_over", "reports.stopping", "poll_loop.drain_and_commit", "engine._end_workers",
    "consumer_adapter.close",
]  # fmt: skip


@pytest.mark.parametrize("act", WAY_OUT)
@pytest.mark.parametrize("nth", [1, 2, 5])
def test_the_way_out_is_gone_to_its_end(act, nth):
    app = App(10)
    parallel = app.parallel({"consumer_timeout_ms": 100})

    with Raising(is_return_of(act), nth):
        error = app._run(parallel, app.handle(lambda _: None))

    assert isinstance(error, SystemExit)
    assert parallel.state == "failed"
    assert parallel._client._consumer._closed
    assert set(range(app.committed)) <= set(app.handled)


@pytest.mark.parametrize("nth", range(1, 9))
def test_workers_end_although_it_raises_while_they_are_ended(nth):
    app, before = App(10), {*threading.enumerate()}

    with Raising(lambda frame, *_: place(frame) == "engine._end_workers", nth) as raising:
        error = app.run()

    assert raising.has_raised
    assert isinstance(error, SystemExit)
    for thread in {*threading.enumerate()} - before:
        thread.join(30)
        assert not thread.is_alive()


def test_a_commit_in_the_middle_of_which_it_raises_does_not_hold_the_stop_up():
    app = App(10)

    with Raising(lambda frame, *_: place(frame) == "consumer_adapter.commit_async", 1) as raising:
        error = app.run()

    assert raising.has_raised
    assert isinstance(error, SystemExit)
    assert app.committed == len(app.handled)


def test_an_error_of_an_alarm_before_anything_was_taken_over_is_a_refused_start():
    app = App(10)
    parallel = app.parallel()

    with Raising(lambda frame, *_: frame.f_code.co_name == "_prepare", 1, TimeoutError):
        error = app._run(parallel, print)

    assert isinstance(error, TimeoutError)
    assert parallel.state == "failed"
    assert not parallel._client._consumer._closed


def test_a_real_signal_whose_handler_ends_the_program():
    app = App(200)
    main = threading.get_ident()

    def handle(record):
        if record.offset == 20:
            signal.pthread_kill(main, signal.SIGUSR1)
        app.handled.append(record.offset)

    before = signal.signal(signal.SIGUSR1, lambda *_: sys.exit(0))
    try:
        error = app._run(app.parallel(), handle)
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert isinstance(error, SystemExit)
    assert set(range(app.committed)) <= set(app.handled)
