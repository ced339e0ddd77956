"""The run's calls of the consumer are told from all others."""

from __future__ import annotations

import contextvars
import threading

import pytest

from kafka_parallel._runtime.client.own_calls import OwnCalls


def asked(calls, name, *purposes):
    """Ask within a call by the run of the method called *name*."""
    return calls.ours(name, lambda: calls.are_ours(*purposes))()


@pytest.mark.parametrize(
    ("name", "purpose"),
    [("poll", "read"), ("commit", "commit"), ("commit_async", "commit"), ("subscribe", "change"), ("close", "close")],
)
def test_a_call_of_the_run_is_known_by_its_purpose(name, purpose):
    assert asked(OwnCalls(), name, purpose)


def test_within_a_poll_of_the_run_no_commit_is_the_runs():
    assert not asked(OwnCalls(), "poll", "commit", "change", "close")


def test_outside_of_a_call_nothing_is_the_runs():
    calls = OwnCalls()
    asked(calls, "poll", "read")

    assert not calls.are_ours("read", "commit", "change", "close")


def test_a_call_that_raises_ends_like_any_other():
    calls = OwnCalls()

    with pytest.raises(ZeroDivisionError):
        calls.ours("poll", lambda: 1 / 0)()

    assert not calls.are_ours("read")


def test_a_call_of_one_run_is_none_of_another():
    mine, others = OwnCalls(), OwnCalls()

    assert not mine.ours("poll", lambda: others.are_ours("read"))()


def test_another_thread_is_not_within_the_call_even_with_its_context():
    calls, found = OwnCalls(), []

    def beside():
        context = contextvars.copy_context()
        thread = threading.Thread(target=lambda: found.append(context.run(calls.are_ours, "read")))
        thread.start()
        thread.join()

    calls.ours("poll", beside)()

    assert found == [False]


def test_a_method_that_needs_no_right_is_called_as_it_is():
    assert OwnCalls().ours("position", len) is len
