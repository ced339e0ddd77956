"""An event loop that wakes up when a timer is due."""

from __future__ import annotations

import asyncio
import os
import selectors
import sys
import time

import pytest

from kafka_parallel_plugins import exact_timers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the usual event loop is used")


@pytest.fixture(name="selector")
def _selector():
    with exact_timers.ExactSelector() as selector:
        yield selector


@pytest.fixture(name="pipe")
def _pipe():
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def shortest(selector, timeout):
    """The shortest of many waits, in seconds: the only one that a busy machine does not make longer."""
    times = []
    for _ in range(300):
        started = time.perf_counter()
        assert selector.select(timeout) == []
        times.append(time.perf_counter() - started)
    return min(times)


def test_it_waits_for_less_than_a_millisecond(selector):
    with selectors.EpollSelector() as usual:
        assert shortest(usual, 0.0002) > 0.0009  # the reason for the file: if it fails, there is none any more
    assert 0.0002 <= shortest(selector, 0.0002) < 0.0009


@pytest.mark.parametrize("timeout", [None, 60.0, 0.0])
def test_it_returns_at_once_what_is_ready(selector, pipe, timeout):
    selector.register(pipe[0], selectors.EVENT_READ)
    os.write(pipe[1], b"x")

    assert [key.fd for key, _ in selector.select(timeout)] == [pipe[0]]


def test_it_waits_as_the_usual_one_where_select_cannot_be_told_of_it(selector, pipe, monkeypatch):
    monkeypatch.setattr(exact_timers, "MOST_FILES", 0)
    selector.register(pipe[0], selectors.EVENT_READ)

    assert shortest(selector, 0.0002) > 0.0009
    os.write(pipe[1], b"x")
    assert selector.select(60.0)


def test_the_event_loop_runs_and_is_woken_by_threads():
    loop = exact_timers.new_event_loop()
    try:
        assert loop.run_until_complete(asyncio.wait_for(asyncio.to_thread(int, "7"), 60.0)) == 7
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
