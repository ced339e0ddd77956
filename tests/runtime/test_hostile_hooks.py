"""Plugins that break where few do: on the way in, on the way out, for ever. The table of hooks gives the ends."""

from __future__ import annotations

import ctypes
import threading

import pytest

from kafka_parallel import DelayedTopics, ParallelConsumer, PluginError, RecordFailed, hookimpl
from tests.runtime.app import GROUP, App
from tests.runtime.test_hostile import broken, fail, junk, plugin

HOOKS = ["on_throttle", "on_start", "on_assign", "on_backpressure", "on_revoke", "on_error", "on_commit", "on_stop"]


class Heard:
    """Hears how run() ended."""

    def __init__(self):
        self.stops = []

    @hookimpl
    def on_stop(self, error):
        self.stops.append(error)


@pytest.mark.parametrize("habits", ["2.x", "3.x"])
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_what_nobody_may_catch_ends_run_in_good_order_from_any_hook(habits, hook, error):
    app, heard, threads = App(), Heard(), set(threading.enumerate())
    consumer = app.consumer(habits=habits)

    def stop():
        raise error

    def handle(record):
        if hook == "on_revoke":
            app.cluster.group(GROUP).rebalance()
        if hook == "on_error":
            fail()

    bad = plugin(**{hook: hookimpl(stop)})
    parallel = ParallelConsumer(
        consumer, workers=2, max_buffered_records=2, install_signal_handlers=False, plugins=[heard, bad]
    )
    with pytest.raises(error):
        parallel.run(handle)

    assert consumer._closed
    assert app.cluster.group(GROUP).members == {}
    assert [type(found) for found in heard.stops] == ([error] if hook != "on_stop" else [])
    for thread in set(threading.enumerate()) - threads:
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize("hook", ["on_record", "on_error"])
def test_a_hook_of_a_worker_that_never_returns_does_not_keep_run_from_ending(hook):
    app, forever = App(), threading.Event()

    @hookimpl
    def hang():
        parallel.stop(timeout_ms=100)
        forever.wait(60)

    parallel = ParallelConsumer(
        app.consumer(), workers=2, install_signal_handlers=False, plugins=[plugin(**{hook: hang})]
    )
    parallel.run(fail)
    forever.set()

    assert app.committed == 0


def test_an_on_commit_that_never_returns_leaves_its_records_to_the_next_member():
    app, hangs, forever = App(), threading.Event(), threading.Event()

    @hookimpl(wrapper=True)
    def hang():
        hangs.set()
        forever.wait(60)
        return (yield)

    stuck = ParallelConsumer(
        app.consumer(max_poll_interval_ms=500), plugins=[plugin(on_commit=hang)], workers=2, revoke_timeout_ms=100
    )
    heir = ParallelConsumer(app.consumer(consumer_timeout_ms=3000), workers=2, install_signal_handlers=False)
    try:
        stuck.start(lambda _: None)
        assert hangs.wait(10)
        heir.run(lambda record: app.handled.append(record.offset))  # the group gives up on the first
        assert (app.handled, app.committed) == ([0, 1, 2, 3, 4, 5], 6)
    finally:
        forever.set()
        stuck.join()

    assert app.committed == 6


@pytest.mark.parametrize("hook", ["on_throttle", "provide_ordering", "provide_executor", "provide_topics"])
def test_a_raise_before_the_first_record_stops_the_start(hook):
    app = App()

    error = app.run(plugins=[plugin(**{hook: broken})])

    assert isinstance(error, ValueError) or isinstance(error.__cause__, ValueError)
    assert (app.handled, app.committed) == ([], 0)


@pytest.mark.parametrize("hook", ["provide_ordering", "provide_executor", "provide_topics"])
def test_junk_from_a_provider_stops_the_start(hook):
    app = App()

    error = app.run_coroutine(lambda _: None, plugins=[plugin(**{hook: junk})])

    assert isinstance(error, PluginError)
    assert "'junk'" in str(error)
    assert (app.handled, app.committed) == ([], 0)


@pytest.mark.parametrize("answer", [fail, lambda _: []])
def test_an_ordering_that_raises_or_answers_junk_is_a_failure_of_the_record(answer):
    @hookimpl
    def provide_ordering():
        return answer

    app = App()

    assert isinstance(app.run(plugins=[plugin(provide_ordering=provide_ordering)]), RecordFailed)
    assert app.committed == 0


@pytest.mark.parametrize("delay", [fail, lambda *_: "junk"])
def test_a_delay_that_raises_or_answers_junk_delays_nothing(delay):
    @hookimpl
    def provide_topics():
        return DelayedTopics({"later": "t"}, delay)

    app = App()
    app.cluster.create_topic("later")
    app.cluster.append("later", b"v")

    assert app.run(plugins=[plugin(provide_topics=provide_topics)]) is None
    assert sorted(app.handled) == [0, 0, 1, 2, 3, 4, 5]


def test_a_worker_thread_that_is_killed_stops_the_consumer():
    """As in a debugger, or by a library that raises in other people's threads."""
    app, is_killed = App(), threading.Event()

    def handle(record):
        if not is_killed.is_set():
            is_killed.set()
            (other,) = (
                thread
                for thread in threading.enumerate()
                if thread.name.startswith("kafka-parallel-") and thread is not threading.current_thread()
            )
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(other.ident), ctypes.py_object(SystemExit))

    assert isinstance(app.run(handle), SystemExit)
    assert app.committed == len(app.handled)
