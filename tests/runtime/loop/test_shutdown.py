"""A request to stop has an origin and an urgency, and a signal also calls the program's own handler."""

from __future__ import annotations

import signal
import threading

import pytest

from kafka_parallel._runtime.loop.shutdown import SIGNALS, Shutdown, Signals
from kafka_parallel.testing.fake.clock import ManualClock


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def number(request):
    before = signal.getsignal(request.param)
    yield request.param
    signal.signal(request.param, before)


def test_a_signal_asks_to_stop_the_second_one_to_wait_for_nothing(number):
    signal.signal(number, signal.SIG_DFL)
    shutdown = Shutdown(1.0)
    with Signals(shutdown):
        signal.raise_signal(number)
        after_one = shutdown.is_requested, shutdown.is_abandoned
        signal.raise_signal(number)

    assert after_one == (True, False)
    assert shutdown.is_abandoned
    assert signal.getsignal(number) == signal.SIG_DFL


def test_a_handler_of_the_users_is_called_too_and_is_there_again_afterwards(number):
    heard = []

    def users_own(number, frame):
        heard.append(number)

    signal.signal(number, users_own)
    with Signals(shutdown := Shutdown(1.0)):
        signal.raise_signal(number)

    assert shutdown.is_requested
    assert heard == [number]
    assert signal.getsignal(number) is users_own


def test_an_ignored_signal_stays_ignored(number):
    signal.signal(number, signal.SIG_IGN)
    with Signals(shutdown := Shutdown(1.0)):
        signal.raise_signal(number)

    assert not shutdown.is_requested
    assert signal.getsignal(number) is signal.SIG_IGN


@pytest.fixture
def before():
    """The handlers of the program itself, which note the signals that they get."""
    heard, kept = [], {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, lambda number, frame: heard.append(number))
    yield heard
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_the_first_request_says_who_asked_and_the_last_how_long_it_may_take():
    shutdown = Shutdown(30.0)
    shutdown.request(requested_by="stop()")
    shutdown.request(5.0, "the consumer's close()")

    assert (shutdown.is_requested, shutdown.requested_by, shutdown.timeout) == (True, "stop()", 5.0)


def test_a_request_without_a_time_leaves_the_time_as_it_was():
    shutdown = Shutdown(30.0)
    shutdown.request()

    assert shutdown.timeout == 30.0


def test_a_second_signal_waits_for_nothing_any_more():
    shutdown = Shutdown(30.0)
    shutdown.signalled("SIGTERM")
    assert not shutdown.is_abandoned

    shutdown.signalled("SIGINT")

    assert shutdown.is_abandoned
    assert shutdown.requested_by == "SIGTERM"


def test_a_signal_after_stop_is_the_second_request():
    shutdown = Shutdown(30.0)
    shutdown.request()

    shutdown.signalled("SIGTERM")

    assert shutdown.is_abandoned


def test_an_interrupt_raises_nothing_in_the_middle_of_the_loop(before):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    shutdown = Shutdown(30.0)

    with Signals(shutdown):
        signal.raise_signal(signal.SIGINT)

    assert shutdown.is_requested


def test_off_the_main_thread_no_signal_is_handled(before):
    found, seen = [signal.getsignal(number) for number in SIGNALS], []

    def enter():
        with Signals(Shutdown(30.0)):
            seen.extend(signal.getsignal(number) for number in SIGNALS)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()

    assert seen == found


def test_the_time_counts_from_the_first_request_unless_a_later_one_says_how_long():
    clock = ManualClock()
    shutdown = Shutdown(10.0, clock.monotonic)
    assert shutdown.leave_by == float("inf")

    shutdown.request()
    clock.now += 4.0
    shutdown.request()
    assert (shutdown.leave_by, shutdown.begin_leaving()) == (10.0, 6.0)

    shutdown.request(1.0)
    assert shutdown.leave_by == 5.0


def test_a_stop_without_a_request_has_its_time_too():
    clock = ManualClock()
    shutdown = Shutdown(10.0, clock.monotonic)

    assert shutdown.begin_leaving() == 10.0
    assert not shutdown.is_requested
