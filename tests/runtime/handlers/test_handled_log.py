"""Plugins are told of every attempt once, with its time, whatever kind of handler made it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from kafka_parallel import Batch, BatchFailed, HandlerTimeout, Retry, Skip, hookimpl
from kafka_parallel._core.assignment import Assignment
from kafka_parallel._core.task import Task
from kafka_parallel._runtime.handlers.handled_log import HandledLog
from kafka_parallel.errors import WorkerDied
from kafka_parallel.executors import Report
from tests.runtime.app import App

PATIENCE = 120
KINDS = pytest.mark.parametrize("executor", ["thread-pool", "asyncio"])
BATCH = Batch(max_records=3, max_wait_ms=5)


class Listener:
    """Hears of attempts; tries a failed record again, and skips it then."""

    def __init__(self):
        self.told, self.threads, self.has_stopped = [], set(), False

    @hookimpl
    def on_handled(self, handled, settings):
        assert handled
        assert not self.has_stopped
        self.told += handled
        self.threads.add(threading.current_thread().name)

    @hookimpl
    def on_error(self, context):
        return Retry(0) if context.attempt == 1 else Skip("enough")

    @hookimpl
    def on_stop(self):
        self.has_stopped = True

    @property
    def attempts(self):
        """The attempts told: offset, attempt, and the class of the error."""
        return sorted((raw.offset, attempt, type(error).__name__) for raw, attempt, _, _, _, error in self.told)

    def lasted(self, offset):
        return [ended - started for raw, _, _, started, ended, _ in self.told if raw.offset == offset]


def good(*offsets):
    return [(offset, 1, "NoneType") for offset in offsets]


def fail_at_two(record):
    if record.offset == 2:
        raise ValueError("no luck")


def wait_at_two(record):
    if record.offset == 2:
        threading.Event().wait(0.05)


class Around:
    """A wrapper, and a plugin that answers for offset 1."""

    @hookimpl
    def on_record(self, context):
        return Skip("answer") if context.raw.offset == 1 else None

    @hookimpl(wrapper=True)
    def on_error(self):
        threading.Event().wait(0.05)
        return (yield)


def in_batches(handle, *, is_async):
    def handle_all(records):
        failed = {}
        for place, record in enumerate(records):
            try:
                handle(record)
            except ValueError as error:
                failed[place] = error
        if failed:
            raise BatchFailed(failed)

    async def handle_all_async(records):
        await asyncio.sleep(0)
        handle_all(records)

    return handle_all_async if is_async else handle_all


def run(app, handler, **options):
    app.parallel(**options).run(handler, BATCH)


async def never_waits(record):
    fail_at_two(record)


@KINDS
@pytest.mark.parametrize("ordering", ["key", "unordered"])
@pytest.mark.parametrize("plugins", [[], [Around()]])
def test_every_attempt_is_told_once_failed_ones_too(executor, ordering, plugins):
    app, listener = App(executor=executor), Listener()

    assert app.run(fail_at_two, ordering=ordering, plugins=[listener, *plugins]) is None

    assert listener.attempts == sorted([*good(0, 1, 3, 4, 5), (2, 1, "ValueError"), (2, 2, "ValueError")])
    for _, _, queued_at, started, ended, _ in listener.told:
        assert queued_at <= started <= ended


def test_a_coroutine_that_waits_for_nothing_is_told_too():
    app, listener = App(), Listener()

    assert app.run_coroutine(never_waits, plugins=[listener]) is None

    assert listener.attempts == sorted([*good(0, 1, 3, 4, 5), (2, 1, "ValueError"), (2, 2, "ValueError")])
    assert listener.threads == {"kafka-parallel-event-loop"}


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("plugins", [[], [Around()]])
def test_every_record_of_a_batch_is_told(is_async, plugins):
    app, listener = App(), Listener()

    run(app, in_batches(fail_at_two, is_async=is_async), ordering="unordered", plugins=[listener, *plugins])

    assert listener.attempts == sorted([*good(0, 1, 3, 4, 5), (2, 1, "ValueError"), (2, 2, "ValueError")])


@KINDS
def test_the_time_is_that_of_the_handler_and_not_of_what_is_decided(executor):
    app, listener = App(executor=executor), Listener()

    assert app.run(wait_at_two, plugins=[listener]) is None
    assert [lasted > 0.04 for offset in range(6) for lasted in listener.lasted(offset)] == [
        offset == 2 for offset in range(6)
    ]

    app, listener = App(executor=executor), Listener()
    assert app.run(fail_at_two, plugins=[listener, Around()]) is None
    assert max(listener.lasted(2)) < 0.04


def test_the_time_is_that_of_wrappers_too():
    class Slow:
        @hookimpl(wrapper=True)
        def on_record(self):
            threading.Event().wait(0.03)
            result = yield
            threading.Event().wait(0.03)
            return result

    app, listener = App(1), Listener()

    assert app.run(plugins=[listener, Slow()]) is None

    assert min(listener.lasted(0)) > 0.05


@pytest.mark.parametrize("is_async", [False, True])
def test_every_record_of_a_batch_has_the_time_of_its_batch(is_async):
    app, listener = App(3), Listener()

    run(app, in_batches(wait_at_two, is_async=is_async), ordering="unordered", plugins=[listener])

    assert all(lasted > 0.04 for offset in range(3) for lasted in listener.lasted(offset))


@KINDS
def test_what_could_not_be_deserialised_was_not_attempted(executor):
    app, listener = App(executor=executor), Listener()

    def refuse(value):
        if value == b"2":
            raise ValueError("no text")
        return value.decode()

    assert app.run(consumer={"value_deserializer": refuse}, plugins=[listener]) is None

    assert listener.attempts == good(0, 1, 3, 4, 5)
    assert {type(raw.value) for raw, *_ in listener.told} == {bytes}


@pytest.mark.parametrize("is_batch", [False, True])
def test_a_record_ends_when_it_misses_its_deadline_and_is_not_told_again(is_batch):
    app, listener, go_on = App(2), Listener(), threading.Event()
    parallel = app.parallel(handler_timeout_ms=50, ordering="unordered", workers=1, plugins=[listener])

    def handle(given):
        records = given if is_batch else [given]
        if any(record.offset == 1 for record in records) and not go_on.is_set():
            assert go_on.wait(PATIENCE)

    parallel.start(handle, Batch(max_records=1, max_wait_ms=1) if is_batch else None)
    while (1, 2, "NoneType") not in listener.attempts:
        if (1, 1, "HandlerTimeout") in listener.attempts:
            go_on.set()
        threading.Event().wait(0.01)
    assert parallel.join(PATIENCE * 1000)

    assert listener.attempts == [(0, 1, "NoneType"), (1, 1, "HandlerTimeout"), (1, 2, "NoneType")]
    assert max(listener.lasted(1)) >= 0.05


def test_a_coroutine_that_misses_its_deadline_is_told_with_that():
    app, listener = App(1), Listener()

    async def hang(_):
        await asyncio.sleep(PATIENCE)

    assert app.run_coroutine(hang, handler_timeout_ms=30, plugins=[listener]) is None

    assert [type(error) for *_, error in listener.told] == [HandlerTimeout, HandlerTimeout]
    assert all(0.03 <= lasted < PATIENCE for lasted in listener.lasted(0))


def test_a_worker_tells_many_at_once_on_its_own_thread():
    app, calls = App(2000), []

    class Counts(Listener):
        @hookimpl
        def on_handled(self, handled):
            calls.append(len(handled))
            self.threads.add(threading.current_thread().name)

    counts = Counts()
    assert app.run(ordering="unordered", plugins=[counts]) is None

    assert sum(calls) == 2000
    assert len(calls) < 500
    assert counts.threads <= {"kafka-parallel-0", "kafka-parallel-1"}


@KINDS
def test_one_that_raises_is_logged_once_and_keeps_nothing_from_the_others(executor, caplog):
    class Broken:
        @hookimpl
        def on_handled(self):
            raise OSError("disk full")

    app, listener = App(executor=executor), Listener()

    assert app.run(plugins=[Broken(), listener]) is None

    assert listener.attempts == good(*range(6))
    assert app.committed == 6
    assert sum("will not be called for it again" in message for message in caplog.messages) == 1


def test_what_a_stuck_worker_had_finished_is_told_before_the_end():
    app, listener, go_on = App(40), Listener(), threading.Event()
    parallel = app.parallel(workers=1, ordering="unordered", stop_timeout_ms=100, plugins=[listener])

    def handle(record):
        if record.offset == 39:
            assert go_on.wait(PATIENCE)

    parallel.start(handle)
    while parallel.statistics().processed < 39:
        threading.Event().wait(0.01)
    parallel.stop()
    assert parallel.join(PATIENCE * 1000)

    assert listener.attempts == good(*range(39))
    listener.has_stopped = False
    go_on.set()


# Attempts elsewhere


class Clock:
    lock = staticmethod(threading.Lock)

    def __init__(self):
        self.now = 10.0

    def monotonic(self):
        return self.now


def handled_log():
    told = []
    clock = Clock()
    return HandledLog(told.extend, clock), clock, told


def tasks(count):
    found = [Task(offset, offset, None, 1, 1.0) for offset in range(count)]
    for task in found:
        task.assignment = Assignment("p", 1, "p", {})
    return found


def test_a_report_says_how_long_records_took_elsewhere():
    found, _, told = handled_log()
    error = ValueError()

    found.reported(tasks(4), Report(0, 2, error, durations_ms=[500, 1000, 2000]), since=3.0)
    found.deliver()

    assert told == [(0, 1, 1.0, 9.5, 10.0, None), (1, 1, 1.0, 9.0, 10.0, None), (2, 1, 1.0, 8.0, 10.0, error)]


def test_without_that_the_time_is_what_this_side_waited():
    found, _, told = handled_log()

    found.reported(tasks(3), Report(0, 2), since=3.0)
    found.deliver()

    assert [(started, ended) for _, _, _, started, ended, _ in told] == [(3.0, 10.0)] * 2


@pytest.mark.parametrize(
    "report",
    [
        Report(0, 1, ValueError(), "prepare", durations_ms=[1000, 2000]),
        Report(0, 1, WorkerDied("nobody waits", -9, is_unwanted=True)),
        Report(0, 1),
    ],
)
def test_what_was_not_attempted_elsewhere_is_not_told(report):
    found, _, told = handled_log()

    found.reported(tasks(3), report, since=3.0)
    found.reported(tasks(3), Report(0, is_unbegun=True), since=3.0)
    found.deliver()

    assert [raw for raw, *_ in told] == [0]
