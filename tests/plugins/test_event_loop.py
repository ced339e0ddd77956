"""``async def`` handlers keep every promise that plain ones keep, and end when their results are no longer wanted."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from kafka_parallel import Batch, ConfigurationError, RecordFailed, Retry, StateError, hookimpl
from kafka_parallel._runtime.handlers.coroutines import within
from kafka_parallel.errors import HandlerCancelled
from tests.runtime.app import App

WHO = contextvars.ContextVar("who", default="nobody")


class Trail:
    """Writes down in which order attempts begin and end, and on which thread on_error runs."""

    def __init__(self):
        self.steps, self.deciding = [], set()

    @hookimpl(wrapper=True)
    def on_record(self, context):
        self.steps.append(("in", context.raw.offset))
        try:
            result = yield
        finally:
            self.steps.append(("out", context.raw.offset))
        return result

    @hookimpl
    def on_error(self, context):
        self.deciding.add(threading.current_thread().name)
        return Retry(1) if context.attempt < 3 else None


def test_a_key_runs_one_at_a_time_and_wrappers_see_the_whole_time():
    app, trail = App(30), Trail()

    async def handle(record):
        trail.steps.append(("begin", record.offset))
        await asyncio.sleep(0.002)
        trail.steps.append(("end", record.offset))

    assert app.run_coroutine(handle, plugins=[trail], workers=8) is None
    expected = [(step, offset) for offset in range(30) for step in ("in", "begin", "end", "out")]
    assert trail.steps == expected
    assert app.committed == 30


@pytest.mark.parametrize("takes", [0.0, 0.003])
def test_no_more_than_the_workers_run_at_once_and_that_many_do(takes):
    app, running, most, begun = App(300), 0, 0, []

    async def handle(record):
        nonlocal running, most
        begun.append(record.offset)
        running += 1
        most = max(most, running)
        await asyncio.sleep(takes)
        running -= 1

    assert app.run_coroutine(handle, workers=20, ordering="unordered") is None
    assert sorted(begun) == list(range(300))
    assert most <= 20
    assert takes == 0 or most == 20
    assert app.committed == 300


def test_a_failure_is_decided_beside_the_loop_and_tried_again():
    app, trail, failed = App(3), Trail(), []

    async def handle(record):
        await asyncio.sleep(0)
        if record.offset == 1 and len(failed) < 2:
            failed.append(record.offset)
            raise ValueError

    assert app.run_coroutine(handle, plugins=[trail]) is None
    assert [offset for step, offset in trail.steps if step == "in"] == [0, 1, 1, 1, 2]
    assert not any("event-loop" in name for name in trail.deciding)


def test_a_failure_that_nobody_decides_stops_the_consumer():
    app = App(6)

    async def handle(record):
        if record.offset == 3:
            raise ValueError("no")

    error = app.run_coroutine(handle, ordering="partition")

    assert isinstance(error, RecordFailed)
    assert app.committed == 3


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_what_stops_a_process_comes_out_of_run(error):
    app = App()

    async def handle(record):
        await asyncio.sleep(0)
        raise error

    assert isinstance(app.run_coroutine(handle), error)
    assert app.committed == 0


def test_a_cancellation_that_nobody_here_sent_is_a_failure_of_the_record():
    app = App()

    async def handle(record):
        raise asyncio.CancelledError

    error = app.run_coroutine(handle)

    assert isinstance(error.__cause__, HandlerCancelled)
    assert app.committed == 0


def test_each_record_has_context_variables_of_its_own():
    app, seen = App(20), []
    WHO.set("caller")

    async def handle(record):
        seen.append(WHO.get())
        WHO.set(f"record {record.offset}")
        await asyncio.sleep(0)
        seen.append(WHO.get())

    assert app.run_coroutine(handle, workers=1) is None
    assert seen == [who for offset in range(20) for who in ("caller", f"record {offset}")]


def test_handlers_that_outlive_the_stop_are_cancelled():
    app, begun, ended = App(), threading.Event(), []

    async def handle(record):
        begun.set()
        try:
            await asyncio.sleep(600)
        finally:
            ended.append(record.offset)

    parallel = app.parallel(stop_timeout_ms=50)
    parallel.start(handle)
    assert begun.wait(30)
    parallel.stop()

    assert parallel.join(timeout_ms=30_000)
    assert ended == [0]
    assert app.committed == 0


def test_a_handler_that_blocks_the_loop_is_named_with_its_line(caplog):
    app = App(1)

    def warnings():
        return [record.getMessage() for record in caplog.records if "blocked" in record.getMessage()]

    async def handle(record):
        give_up = time.monotonic() + 60
        while not warnings() and time.monotonic() < give_up:
            time.sleep(0.1)

    assert app.run_coroutine(handle) is None
    [warning] = warnings()
    assert "test_event_loop.py:" in warning
    assert warning.split(" in ")[-1].startswith("handle:")


class TestOnTheUsersLoop:
    def test_handlers_run_on_it(self):
        app, loops = App(40), set()

        async def handle(record):
            loops.add(asyncio.get_running_loop())
            await asyncio.sleep(0)

        async def main():
            await app.parallel().run_async(handle)
            assert loops == {asyncio.get_running_loop()}

        asyncio.run(main())
        assert app.committed == 40

    def test_an_error_comes_out_of_the_await(self):
        app = App()

        async def handle(record):
            raise ValueError

        with pytest.raises(RecordFailed):
            asyncio.run(app.parallel().run_async(handle))

    def test_a_cancellation_stops_it_in_good_order(self):
        app = App(200)

        async def main():
            begun = asyncio.Event()

            async def handle(record):
                begun.set()
                await asyncio.sleep(0.001)
                app.handled.append(record.offset)

            running = asyncio.ensure_future(app.parallel().run_async(handle))
            await begun.wait()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

        asyncio.run(main())
        assert app.committed == len(app.handled) > 0


def test_a_handler_and_an_executor_that_do_not_fit_are_refused():
    async def async_handler(record):
        pass

    with pytest.raises(ConfigurationError, match="is async def, which executor"):
        App().parallel(executor="thread-pool").run(async_handler)
    with pytest.raises(ConfigurationError, match="is a plain function, and would block the event loop"):
        App().parallel(executor="asyncio").run(lambda record: None)


# Cancellations


def test_a_handler_that_cleans_up_is_cancelled_once():
    app, begun, heard = App(), threading.Event(), []

    async def handle(record):
        begun.set()
        try:
            await asyncio.sleep(600)
        finally:
            for _ in range(5):
                await asyncio.sleep(0.08)
            heard.append("cleaned up")

    parallel = app.parallel(stop_timeout_ms=50)
    parallel.start(handle)
    assert begun.wait(30)
    parallel.stop()

    assert parallel.join(timeout_ms=30_000)
    assert heard == ["cleaned up"]


def test_a_handler_that_cancels_its_own_task_harms_no_other_record():
    app, handled = App(30), []

    async def handle(record):
        await asyncio.sleep(0)
        handled.append(record.offset)
        if record.offset % 7 == 3:
            asyncio.current_task().cancel()

    assert app.run_coroutine(handle, workers=1) is None
    assert handled == list(range(30))
    assert app.committed == 30


def test_a_handler_that_takes_no_notice_of_its_cancellation_does_not_keep_run_from_ending(caplog):
    app, begun, goes_on = App(), threading.Event(), [True]

    async def handle(record):
        begun.set()
        while goes_on:
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                goes_on.append("cancelled")

    parallel = app.parallel(stop_timeout_ms=50)
    parallel.start(handle)
    assert begun.wait(30)
    parallel.stop()

    assert parallel.join(timeout_ms=30_000)
    assert "some handlers still run" in caplog.text
    assert app.committed == 0
    goes_on.clear()
    [loop] = [thread for thread in threading.enumerate() if thread.name == "kafka-parallel-event-loop"]
    loop.join(30)
    assert not loop.is_alive()


def test_what_handlers_have_begun_and_not_waited_for_is_cancelled_at_the_end():
    app, ended, begun = App(2), [], []

    async def forever():
        try:
            await asyncio.sleep(600)
        finally:
            ended.append(True)

    async def handle(record):
        begun.append(asyncio.create_task(forever()))
        await asyncio.sleep(0)

    assert app.run_coroutine(handle) is None
    assert ended == [True, True]


def test_a_batch_that_nobody_waits_for_is_no_failure_of_its_records():
    app, trail, begun, heard = App(), Trail(), threading.Event(), []

    async def handle(records):
        begun.set()
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            heard.append(len(records))
            raise

    parallel = app.parallel(plugins=[trail], stop_timeout_ms=50)
    parallel.start(handle, batch=Batch(max_records=3, max_wait_ms=10, of="partition"))
    assert begun.wait(30)
    parallel.stop()

    assert parallel.join(timeout_ms=30_000)
    assert heard == [3]
    assert trail.deciding == set()
    assert [step for step, _ in trail.steps] == ["in"] * 3 + ["out"] * 3
    assert app.committed == 0


def test_a_batch_that_lets_out_a_cancellation_of_its_own_has_failed():
    app, trail = App(3), Trail()

    async def handle(records):
        raise asyncio.CancelledError

    parallel = app.parallel(plugins=[trail])
    with pytest.raises(RecordFailed) as failed:
        parallel.run(handle, batch=Batch(max_records=3, max_wait_ms=10, of="partition"))

    assert isinstance(failed.value.__cause__, HandlerCancelled)
    assert trail.deciding


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_stops_a_process_comes_out_of_run_under_a_deadline_too(error, caplog):
    app = App()

    async def handle(record):
        await asyncio.sleep(0)
        raise error

    assert isinstance(app.run_coroutine(handle, handler_timeout_ms=60_000), error)
    assert app.committed == 0
    assert caplog.text == ""


def test_a_handler_under_a_deadline_is_waited_for_however_often_it_is_cancelled():
    ended = []

    async def clean_up():
        for _ in range(3):
            try:
                await asyncio.sleep(0.02)
            except asyncio.CancelledError:
                ended.append("cancelled")
        return "ended"

    async def main():
        waiting = asyncio.ensure_future(within(60, None, contextvars.copy_context(), clean_up))
        await asyncio.sleep(0)
        for _ in range(2):
            await asyncio.sleep(0)
            waiting.cancel()
        assert await waiting == "ended"

    asyncio.run(main())
    assert ended == ["cancelled"] * 2


@pytest.mark.parametrize("error", [None, OSError("lost")])
def test_a_handler_under_a_deadline_that_ends_as_it_is_cancelled_has_ended(error):
    reached = []

    async def handle():
        await asyncio.sleep(0)
        reached.append("end")
        if error is not None:
            raise error
        return "ended"

    async def main():
        waiting = asyncio.ensure_future(within(60, None, contextvars.copy_context(), handle))
        while not reached:
            await asyncio.sleep(0)
        waiting.cancel()  # before it can hear that the handler has ended
        return (await asyncio.gather(waiting, return_exceptions=True))[0]

    assert asyncio.run(main()) == ("ended" if error is None else error)


def test_a_handler_under_a_deadline_that_is_cancelled_with_its_task_is_cancelled():
    async def main():
        waiting = asyncio.ensure_future(within(60, None, contextvars.copy_context(), partial(asyncio.sleep, 60)))
        for _ in range(2):
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())


def test_a_handler_under_a_deadline_whose_task_is_cancelled_before_it_begins_is_not_called():
    called = []

    async def handle():
        raise AssertionError("it must not be awaited")

    def call():
        called.append(handle())
        return called[0]

    async def main():
        waiting = asyncio.ensure_future(within(60, None, contextvars.copy_context(), call))
        await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:  # as asyncio.run() does at its end
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())
    assert not called


# Threads


def test_a_handler_that_blocks_the_loop_does_not_keep_run_from_ending(caplog):
    app, begun, forever = App(), threading.Event(), threading.Event()

    async def handle(record):
        begun.set()
        forever.wait(60)

    parallel = app.parallel(stop_timeout_ms=50)
    parallel.start(handle)
    assert begun.wait(30)
    parallel.stop()

    assert parallel.join(timeout_ms=30_000)
    assert "some handlers still run" in caplog.text
    forever.set()


def test_no_thread_outlives_the_consumer():
    app, before = App(), {*threading.enumerate()}  # earlier tests may have left some

    async def handle(record):
        await asyncio.sleep(0)

    assert app.run_coroutine(handle) is None
    left = [found for found in {*threading.enumerate()} - before if found.name.startswith("kafka-parallel")]
    for thread in left:
        thread.join(10)
    assert not any(thread.is_alive() for thread in left)


def test_a_start_that_fails_before_the_loop_turns_says_only_why(caplog):
    class Broken:
        @hookimpl
        def on_start(self):
            raise ValueError("on purpose")

    async def handle(record):
        pass

    assert isinstance(App().run_coroutine(handle, plugins=[Broken()]), ValueError)
    assert "second error" not in caplog.text


def test_a_decision_that_never_comes_does_not_keep_the_process_alive():
    code = """
import threading
from tests.plugins.test_event_loop import *

class Stuck:
    @hookimpl
    def on_error(self):
        asked.set()
        threading.Event().wait()

async def handle(record):
    raise ValueError

asked = threading.Event()
parallel = App().parallel(plugins=[Stuck()], stop_timeout_ms=50)
parallel.start(handle)
asked.wait(30)
parallel.stop()
print(parallel.join(30_000))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=False)

    assert ended.stdout == "True\n", ended.stderr


# Acts of a loop's owner


def test_a_default_executor_without_a_free_thread_stops_nothing():
    app, trail = App(3), Trail()

    async def handle(record):
        if record.offset == 1 and ("in", 1) not in trail.steps[:-1]:
            raise ValueError

    async def main():
        occupied, free = threading.Event(), threading.Event()
        with ThreadPoolExecutor(1) as executor:
            asyncio.get_running_loop().set_default_executor(executor)
            blocking = asyncio.ensure_future(asyncio.to_thread(lambda: (occupied.set(), free.wait(60))))
            await app.parallel(plugins=[trail]).run_async(handle)
            free.set()
            await blocking

    asyncio.run(main())
    assert app.committed == 3


def test_tasks_that_somebody_else_cancels_are_no_failures_of_their_records():
    app, trail = App(), Trail()

    async def main():
        begun = asyncio.Event()

        async def handle(record):
            begun.set()
            await asyncio.sleep(600)

        running = asyncio.ensure_future(app.parallel(plugins=[trail]).run_async(handle))
        await begun.wait()
        for task in asyncio.all_tasks() - {asyncio.current_task(), running}:
            task.cancel()
        with pytest.raises(RecordFailed, match="the event loop is being ended") as failed:
            await running
        assert isinstance(failed.value.__cause__, HandlerCancelled)

    asyncio.run(main())
    assert trail.deciding == set()
    assert app.committed == 0


def test_a_loop_that_ends_while_handlers_run_stops_the_consumer_in_good_order():
    app, ended = App(50), []

    async def main():
        begun = asyncio.Event()

        async def handle(record):
            begun.set()
            await asyncio.sleep(0.01)
            ended.append(record.offset)

        running = asyncio.ensure_future(app.parallel().run_async(handle))
        await begun.wait()
        return running  # and asyncio.run() cancels it, and everything else

    running = asyncio.run(main())
    assert running.cancelled()
    assert app.committed <= len(ended)


def test_a_second_cancellation_abandons_and_still_waits_for_the_end():
    app, ended = App(), []

    async def main():
        begun = asyncio.Event()

        async def handle(record):
            begun.set()
            try:
                await asyncio.sleep(600)
            finally:
                ended.append(record.offset)

        running = asyncio.ensure_future(app.parallel(stop_timeout_ms=60_000).run_async(handle))
        await begun.wait()
        running.cancel()
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert ended == [0]

    asyncio.run(main())
    assert app.committed == 0


def test_a_loop_that_is_closed_too_early_stops_the_consumer_with_a_clear_error():
    app, trail, told, errors = App(), Trail(), threading.Event(), []

    class Last:
        @hookimpl
        def on_stop(self, error):
            errors.append(error)
            told.set()

    async def main():
        begun = asyncio.Event()

        async def handle(record):
            begun.set()
            await asyncio.sleep(600)

        main.running = asyncio.ensure_future(
            app.parallel(plugins=[trail, Last()], stop_timeout_ms=50).run_async(handle)
        )
        await begun.wait()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()

    assert told.wait(30)
    del main.running
    gc.collect()
    assert isinstance(errors[0], StateError)
    assert "the event loop was closed while run_async() ran on it" in str(errors[0])
    assert trail.deciding == set()
    assert app.committed == 0


def test_a_task_factory_that_raises_stops_the_consumer():
    def make_task(loop, coroutine, **options):
        if coroutine.__qualname__.startswith("EventLoop."):
            raise ValueError("no task today")
        return asyncio.Task(coroutine, loop=loop, **options)

    async def handle(record):
        pass

    async def main():
        asyncio.get_running_loop().set_task_factory(make_task)
        await App().parallel(stop_timeout_ms=50).run_async(handle)

    with pytest.raises(ValueError, match="no task today"):
        asyncio.run(main())
