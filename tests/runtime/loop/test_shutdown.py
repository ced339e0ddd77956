"""Which signals stop a run, and which stay as they were before it."""

from __future__ import annotations

import signal

import pytest

from kafka_parallel._runtime.loop.shutdown import Shutdown, Signals


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
