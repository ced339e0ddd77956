"""Plugins and handlers with every bad habit: run() ends or goes on as the table of hooks says."""

from __future__ import annotations

import asyncio
import logging
import threading
from types import SimpleNamespace

import pytest
from kafka.errors import KafkaTimeoutError

from kafka_parallel import Batch, CommitFailed, PluginError, RecordFailed, Retry, hookimpl
from kafka_parallel_plugins.thread_pool import Threads
from tests.runtime.app import App

FATAL = [SystemExit, KeyboardInterrupt, GeneratorExit, MemoryError]


@pytest.fixture(params=["thread-pool", "asyncio"])
def app(request):
    """An application with handlers of each kind."""
    return App(executor=request.param)


def fail(*_):
    raise ValueError("on purpose")


def plugin(**hooks):
    """A plugin with these hooks."""
    return SimpleNamespace(**hooks)


@hookimpl(wrapper=True)
def raise_before():
    fail()
    yield


@hookimpl(wrapper=True)
def raise_after():
    yield
    fail()


@hookimpl(wrapper=True)
def yield_twice():
    yield
    yield


@hookimpl(wrapper=True)
def never_yield():
    return
    yield


@hookimpl(wrapper=True)
def swallow():
    try:
        yield
    except Exception:
        return None


@hookimpl
def broken():
    fail()


@hookimpl
def junk():
    return "junk"


# Plugins


@pytest.mark.parametrize("wrapper", [raise_before, raise_after])
def test_a_raise_in_on_record_is_a_failure_of_the_record(app, wrapper):
    error = app.run(plugins=[plugin(on_record=wrapper)])

    assert isinstance(error, RecordFailed)
    assert isinstance(error.__cause__, ValueError)
    assert app.committed == 0


@pytest.mark.parametrize("wrapper", [never_yield, yield_twice])
def test_a_wrapper_that_does_not_yield_once_is_a_failure_of_the_record(app, wrapper):
    error = app.run(plugins=[plugin(on_record=wrapper)])

    assert isinstance(error, RecordFailed)
    assert "must yield exactly once" in str(error)
    assert app.committed == 0


def test_a_raise_in_an_answer_to_on_record_is_a_failure_of_the_record(app):
    error = app.run(plugins=[plugin(on_record=broken)])

    assert isinstance(error.__cause__, ValueError)
    assert (app.handled, app.committed) == ([], 0)


@pytest.mark.parametrize("error", [*FATAL, StopIteration, asyncio.CancelledError])
def test_whatever_on_error_raises_stops_the_consumer(app, error):
    @hookimpl
    def on_error():
        raise error

    raised = app.run(fail, plugins=[plugin(on_error=on_error)])

    assert isinstance(raised if isinstance(raised, error) else raised.__cause__, error)
    assert app.committed == 0


def test_a_wrapper_that_swallows_a_failure_has_handled_the_record(app):
    assert app.run(fail, plugins=[plugin(on_record=swallow)]) is None
    assert app.committed == 6


def test_a_raise_in_on_error_stops_the_consumer(app):
    error = app.run(fail, plugins=[plugin(on_error=broken)])

    assert isinstance(error, RecordFailed)
    assert "a plugin raised in on_error" in str(error)
    assert app.committed == 0


def test_junk_from_on_error_stops_the_consumer(app):
    error = app.run(fail, plugins=[plugin(on_error=junk)])

    assert isinstance(error.__cause__, PluginError)
    assert "'junk'" in str(error.__cause__)


@pytest.mark.parametrize("wrapper", [raise_before, raise_after])
def test_a_raise_in_on_commit_means_that_nothing_counts_as_committed(app, wrapper, caplog):
    assert app.run(plugins=[plugin(on_commit=wrapper)]) is None

    assert len(app.handled) == 6
    assert app.committed == (0 if wrapper is raise_before else 6)
    assert "the last commit failed: the records finished since the one before will be processed again" in caplog.text


@pytest.mark.parametrize("call", ["commit_async", "commit"])
def test_a_wrapper_that_swallows_a_refused_commit_does_not_make_it_done(app, call):
    app.cluster.fail(call, TimeoutError("no answer"))
    app.cluster.fail("commit_async", KafkaTimeoutError("later"), times=1000)  # the rest is for the last commit

    error = app.run(plugins=[plugin(on_commit=swallow)])

    assert isinstance(error, CommitFailed)


@pytest.mark.parametrize("hook", ["on_backpressure", "on_assign", "on_revoke", "on_stop"])
@pytest.mark.parametrize("behaviour", [broken, junk])
def test_observers_that_raise_or_answer_junk_stop_nothing(app, hook, behaviour):
    assert app.run(plugins=[plugin(**{hook: behaviour})], max_buffered_records=2) is None
    assert app.committed == 6


def test_a_raise_in_on_start_stops_the_start(app):
    assert isinstance(app.run(plugins=[plugin(on_start=broken)]), ValueError)
    assert app.handled == []


@pytest.mark.parametrize("error", FATAL)
def test_a_plugin_that_raises_what_nobody_may_catch_stops_the_consumer(app, error):
    @hookimpl(wrapper=True)
    def on_record():
        yield
        raise error

    assert isinstance(app.run(plugins=[plugin(on_record=on_record)]), error)
    assert app.committed == 0


def test_a_plugin_that_sleeps_delays_and_breaks_nothing(app):
    pause = threading.Event()

    @hookimpl
    def slow():
        pause.wait(0.05)

    hooks = dict.fromkeys(["on_backpressure", "on_assign", "on_revoke", "on_stop", "on_start"], slow)

    assert app.run(plugins=[plugin(**hooks)]) is None
    assert (app.handled, app.committed) == ([0, 1, 2, 3, 4, 5], 6)


# Handlers


@pytest.mark.parametrize("error", FATAL)
def test_a_handler_that_raises_what_nobody_may_catch_stops_the_consumer(app, error):
    asked = []

    @hookimpl
    def on_error(record):
        asked.append(record)
        return Retry(0)

    def handle(record):
        if record.offset == 2:
            raise error

    assert isinstance(app.run(handle, plugins=[plugin(on_error=on_error)]), error)
    assert asked == []
    assert app.committed == 2


@pytest.mark.parametrize("kind", ["blocks", "awaits"])
def test_a_handler_that_never_returns_does_not_keep_run_from_ending(kind, caplog):
    forever, app = threading.Event(), App()

    def block(record):
        if record.offset == 3:
            consumer.stop(timeout_ms=100)
            forever.wait(60)

    async def wait(record):
        if record.offset == 3:
            consumer.stop(timeout_ms=100)
            await asyncio.Event().wait()

    consumer = app.parallel()
    with caplog.at_level(logging.WARNING):
        consumer.run(block if kind == "blocks" else wait)
    forever.set()

    assert app.committed == 3
    assert "1 records were still running at the end" in caplog.text


def test_a_handler_that_changes_its_record_changes_nothing_else(app):
    def handle(record):
        record.headers.append(("mine", b""))

    assert app.run(handle) is None
    assert (app.handled, app.committed) == ([0, 1, 2, 3, 4, 5], 6)


def test_a_handler_whose_error_cannot_be_printed_is_reported_all_the_same(app):
    class UnspeakableError(Exception):
        def __str__(self):
            raise ValueError("on purpose")

        __repr__ = __str__

    def handle(record):
        raise UnspeakableError

    error = app.run(handle)

    assert isinstance(error, RecordFailed)
    assert "a UnspeakableError that cannot be shown" in str(error)


@pytest.mark.parametrize("error", [StopIteration, StopAsyncIteration, asyncio.CancelledError, asyncio.TimeoutError])
def test_what_means_something_to_python_is_an_error_like_any_other(app, error):
    asked = []

    @hookimpl
    def on_error(record, context):
        asked.append(record.offset)
        return Retry(0) if context.attempt == 1 else None

    def handle(record):
        if record.offset == 2:
            raise error

    raised = app.run(handle, plugins=[plugin(on_error=on_error)])

    assert isinstance(raised, RecordFailed)
    assert asked == [2, 2]
    assert app.committed == 2


@pytest.mark.parametrize("batch", [None, Batch(max_records=2)])
@pytest.mark.parametrize("returned", ["coroutine", "async generator"])
def test_a_plain_handler_that_leaves_its_work_to_an_await_has_not_handled_the_record(returned, batch):
    async def work(record):
        raise AssertionError("it is not awaited")

    async def generate(record):
        yield

    app = App()

    with pytest.raises(RecordFailed, match="make it async def"):
        app.parallel().run(lambda given: work(given) if returned == "coroutine" else generate(given), batch)

    assert app.committed == 0


def test_the_time_that_an_executor_needs_to_start_is_no_time_without_a_record():
    class Slow(Threads):
        def start(self, work):
            threading.Event().wait(0.6)  # longer than the consumer_timeout_ms of the app
            super().start(work)

    app = App()
    plugins = [plugin(provide_executor=hookimpl(lambda: Slow(2)))]

    assert app.run_coroutine(lambda record: None, plugins=plugins) is None
    assert app.committed == 6
