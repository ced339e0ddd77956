"""The cost of a handler that takes too long: its record, never the consumer, and never the order."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

import pytest

from kafka_parallel import Batch, BatchFailed, ConfigurationError, HandlerTimeout, RecordFailed, Retry, Skip, hookimpl
from kafka_parallel.errors import HandlerCancelled
from tests.runtime.app import App

LIMIT_MS = 60
# How long anything may take here, in seconds.
PATIENCE = 120


class Decide:
    """Answers a timeout as told; notes the questions and their threads."""

    def __init__(self, *answers):
        self.answers, self.asked, self.threads = list(answers), [], set()

    @hookimpl
    def on_error(self, error, context):
        self.asked.append((context.raw.offset, type(error), context.attempt))
        self.threads.add(threading.current_thread().name)
        return self.answers.pop(0) if self.answers else Skip("too slow")


class Stuck:
    """A handler that stays in chosen offsets until it is let go, and notes its acts."""

    def __init__(self, *offsets):
        self.offsets, self.steps, self.go_on = Counter(offsets), [], threading.Event()

    def __call__(self, record):
        self.steps.append(("begin", record.offset))
        if self.offsets[record.offset]:
            self.offsets[record.offset] -= 1
            assert self.go_on.wait(PATIENCE)
        self.steps.append(("end", record.offset))

    @property
    def begun(self):
        return [offset for step, offset in self.steps if step == "begin"]


def keyed(keys):
    """Records with one letter each as key."""
    app = App(0)
    for number, key in enumerate(keys):
        app.cluster.append("t", b"%d" % number, key.encode(), partition=0)
    return app


def started(app, handler, batch=None, **options):
    parallel = app.parallel(**{"handler_timeout_ms": LIMIT_MS, "stop_timeout_ms": 2000, **options})
    parallel.start(handler, batch)
    return parallel


def until(holds):
    """Wait for something that other threads do."""
    ticker = threading.Event()
    for _ in range(PATIENCE * 100):
        if holds():
            return
        ticker.wait(0.01)
    raise AssertionError("it never happened")


def test_the_record_fails_and_a_new_thread_takes_over():
    app, handler, decide = keyed("abcd"), Stuck(0), Decide()
    parallel = started(app, handler, workers=1, plugins=[decide])

    until(lambda: app.committed == 4)

    assert decide.asked == [(0, HandlerTimeout, 1)]
    assert decide.threads == {"kafka-parallel-deadline"}
    assert parallel.statistics().overdue == 1
    handler.go_on.set()
    assert parallel.join(PATIENCE * 1000)


def test_the_key_waits_until_the_thread_returns():
    app, handler = keyed("aab"), Stuck(0)
    parallel = started(app, handler, plugins=[Decide()])
    until(lambda: ("end", 2) in handler.steps and parallel.statistics().overdue)

    assert 1 not in handler.begun
    handler.go_on.set()

    assert parallel.join(PATIENCE * 1000)
    assert handler.steps.index(("end", 0)) < handler.steps.index(("begin", 1))
    assert app.committed == 3


def test_a_retry_in_order_never_overlaps_the_attempt_before_it():
    app, handler, decide = keyed("aa"), Stuck(0), Decide(Retry(0))
    parallel = started(app, handler, plugins=[decide])
    until(lambda: parallel.statistics().overdue)
    handler.go_on.set()

    assert parallel.join(PATIENCE * 1000)
    assert handler.steps == [(step, offset) for offset in (0, 0, 1) for step in ("begin", "end")]
    assert parallel.statistics().retried == 1
    assert app.committed == 2


def test_a_retry_without_order_does_not_wait_for_the_thread():
    app, handler, decide = App(1), Stuck(0), Decide(Retry(0))
    parallel = started(app, handler, ordering="unordered", plugins=[decide])

    until(lambda: app.committed == 1)

    assert handler.steps == [("begin", 0), ("begin", 0), ("end", 0)]
    handler.go_on.set()
    assert parallel.join(PATIENCE * 1000)


def test_without_a_decision_the_consumer_stops():
    app, handler = App(3), Stuck(1)
    parallel = started(app, handler, stop_timeout_ms=100)

    with pytest.raises(RecordFailed, match=r"handler_timeout_ms=60") as failed:
        parallel.join(PATIENCE * 1000)

    assert failed.value.offset == 1
    assert app.committed == 1
    handler.go_on.set()


def test_there_are_at_most_twice_as_many_threads(caplog):
    app, handler = keyed("abcdef"), Stuck(0, 1, 2, 3)
    parallel = started(app, handler, workers=2, plugins=[Decide()])
    until(lambda: parallel.statistics().overdue == 4)

    assert [message.count("was replaced") for message in caplog.messages if "cannot be stopped" in message] == [
        1,
        1,
        0,
        0,
    ]
    assert 4 not in handler.begun
    handler.go_on.set()

    assert parallel.join(PATIENCE * 1000)
    assert app.committed == 6


def test_a_thread_that_was_not_replaced_goes_on():
    """One hangs for good, its replacement is late too, and there may be no third thread: the second must go on."""
    app, late = keyed("abcd"), threading.Event()
    hangs = Stuck(0)

    def handle(record):
        if record.offset == 1:
            assert late.wait(PATIENCE)
        hangs(record)

    decide = Decide()
    parallel = started(app, handle, workers=1, plugins=[decide])
    until(lambda: len(decide.asked) == 2)
    late.set()

    until(lambda: app.committed == 4)
    assert parallel.statistics().overdue == 1, "it is the first that went on"
    hangs.go_on.set()
    assert parallel.join(PATIENCE * 1000)


def test_the_log_says_where_it_was(caplog):
    app, handler = App(1), Stuck(0)
    parallel = started(app, handler, plugins=[Decide()])
    until(lambda: app.committed == 1)
    handler.go_on.set()
    assert parallel.join(PATIENCE * 1000)

    [message] = [message for message in caplog.messages if "cannot be stopped" in message]
    assert "record t[0]@0" in message
    assert "assert self.go_on.wait(PATIENCE)" in message


def test_a_batch_fails_as_a_whole():
    app, handler, decide = App(3), Stuck(), Decide()
    stay = threading.Event()

    def handle(records):
        handler.steps.append(len(records))
        if len(handler.steps) == 1:
            assert stay.wait(PATIENCE)
            raise BatchFailed({0: ValueError()})  # too late: it has failed already

    parallel = started(app, handle, Batch(max_wait_ms=1), plugins=[decide])
    until(lambda: app.committed == 3)
    stay.set()

    assert parallel.join(PATIENCE * 1000)
    assert decide.asked == [(offset, HandlerTimeout, 1) for offset in range(3)]


def test_what_was_kept_out_of_a_batch_does_not_wait_for_its_handler():
    app, decide, stay, done = keyed("ab"), Decide(Retry(0)), threading.Event(), []

    class KeepOut:
        @hookimpl
        def on_record(self, context):
            if context.raw.offset == 0 and context.attempt == 1:
                raise ValueError("not now")

    def handle(records):
        done.extend(record.offset for record in records)
        if done == [1]:
            assert stay.wait(2 * PATIENCE)

    parallel = started(app, handle, Batch(max_wait_ms=1, of="mixed"), plugins=[decide, KeepOut()])
    until(lambda: app.committed == 2)
    stay.set()

    assert parallel.join(PATIENCE * 1000)
    assert decide.asked == [(0, ValueError, 1), (1, HandlerTimeout, 1)]
    assert done == [1, 0]


def test_a_coroutine_is_cancelled():
    app, decide, ended = App(2), Decide(), []

    async def handle(record):
        try:
            await asyncio.sleep(PATIENCE if record.offset == 0 else 0)
        finally:
            ended.append(record.offset)

    assert app.run_coroutine(handle, handler_timeout_ms=LIMIT_MS, plugins=[decide]) is None
    assert ended == [0, 1]
    assert decide.asked == [(0, HandlerTimeout, 1)]
    assert app.committed == 2


def test_a_coroutine_that_ends_well_in_spite_of_it_has_ended_well():
    app, decide = App(2), Decide()

    async def handle(record):
        try:
            await asyncio.sleep(PATIENCE if record.offset == 0 else 0)
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)

    assert app.run_coroutine(handle, handler_timeout_ms=LIMIT_MS, plugins=[decide]) is None
    assert decide.asked == []
    assert app.committed == 2


def test_a_coroutine_that_cancels_itself_did_not_take_too_long():
    app, decide = App(1), Decide()

    async def handle(record):
        raise asyncio.CancelledError

    assert app.run_coroutine(handle, handler_timeout_ms=5000, plugins=[decide]) is None
    assert decide.asked == [(0, HandlerCancelled, 1)]


def test_a_coroutine_with_a_deadline_that_nobody_waits_for_is_cancelled():
    app, begun, ended = App(1), threading.Event(), []

    async def handle(record):
        begun.set()
        try:
            await asyncio.sleep(PATIENCE)
        finally:
            ended.append(record.offset)

    parallel = app.parallel(handler_timeout_ms=60_000, stop_timeout_ms=50)
    parallel.start(handle)
    assert begun.wait(PATIENCE)
    parallel.stop()

    assert parallel.join(PATIENCE * 1000)
    assert ended == [0]
    assert app.committed == 0


class TestStuck:
    def test_a_thread_that_takes_long_is_named_with_its_stack(self, caplog):
        app, handler = App(1), Stuck(0)
        parallel = started(app, handler, handler_timeout_ms=None, stuck_after_ms=LIMIT_MS)
        until(lambda: any("has been running for" in message for message in caplog.messages))
        handler.go_on.set()

        assert parallel.join(PATIENCE * 1000)
        [message] = [message for message in caplog.messages if "has been running for" in message]
        assert "record t[0]@0" in message
        assert "assert self.go_on.wait(PATIENCE)" in message
        assert app.committed == 1

    def test_a_coroutine_that_takes_long_is_named_with_the_line_that_waits(self, caplog):
        app, go_on = App(1), threading.Event()

        async def deeper():
            while not go_on.is_set():
                await asyncio.sleep(0.01)  # this line

        async def handle(record):
            await deeper()

        parallel = started(app, handle, handler_timeout_ms=None, stuck_after_ms=LIMIT_MS)
        until(lambda: any("has been running for" in message for message in caplog.messages))
        go_on.set()

        assert parallel.join(PATIENCE * 1000)
        [message] = [message for message in caplog.messages if "has been running for" in message]
        assert "in handle" in message
        assert "await asyncio.sleep(0.01)  # this line" in message

    def test_what_was_done_before_it_in_the_same_chunk_is_committed_meanwhile(self):
        app, handler = App(0), Stuck(299)
        for number in range(300):
            app.cluster.append("t", b"%d" % number, None, partition=0)
        parallel = started(app, handler, handler_timeout_ms=None, workers=1)

        until(lambda: app.committed == 299)

        handler.go_on.set()
        assert parallel.join(PATIENCE * 1000)
        assert app.committed == 300


@pytest.mark.parametrize("name", ["handler_timeout_ms", "stuck_after_ms"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "5"])
def test_times_that_cannot_work_are_refused(name, value):
    with pytest.raises(ConfigurationError, match=f"{name}="):
        App().parallel(**{name: value})


@pytest.mark.parametrize("batch", [None, Batch(max_wait_ms=0)])
def test_a_handler_that_is_too_late_for_a_partition_that_left_has_not_failed(caplog, batch):
    app, decide, begun, go_on = App(1), Decide(), [], threading.Event()

    def handle(record):
        begun.append(record)
        if len(begun) == 1:
            app.cluster.group("g").rebalance()
            assert go_on.wait(PATIENCE)

    parallel = started(app, handle, batch, plugins=[decide], revoke_timeout_ms=0, handler_timeout_ms=1000)
    until(lambda: "took longer than" in caplog.text)
    go_on.set()

    assert parallel.join(PATIENCE * 1000)
    [line] = [line for line in caplog.messages if "took longer than" in line]
    assert "its partition has left meanwhile, so that is no failure" in line
    assert "it failed" not in line
    assert decide.asked == []
    assert app.committed == 1
