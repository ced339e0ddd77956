"""A record of an ``async def`` handler: what ends at once is not awaited, and every end is turned into an outcome."""

from __future__ import annotations

import asyncio
import contextvars
from types import SimpleNamespace

import pytest

from kafka_parallel import HandlerCancelled, HandlerTimeout, Skip
from kafka_parallel._core.assignment import Assignment
from kafka_parallel._core.outcome import LEFT_OUT, Failure
from kafka_parallel._core.task import Task
from kafka_parallel._runtime.clock import SystemClock
from kafka_parallel._runtime.handlers.coroutine_attempt import CoroutineAttempts, ObservedCoroutineAttempts, called
from kafka_parallel._runtime.handlers.handled_log import HandledLog
from kafka_parallel._runtime.handlers.record_attempt import Attempts
from kafka_parallel.errors import HandlerUnfinished

NO_LUCK = ValueError("no luck")


def task_of(record="record", *, live=True):
    task = Task(record, 0, None, 1, 0.0)
    task.assignment = Assignment("p", 1, "p", {})
    task.assignment.live = live
    return task


class World:
    """The attempts of one handler.

    :ivar asked: the errors that ``on_error`` was asked about, each with the stage.
    """

    def __init__(self, handler, *, deserialize=None, timeout=None, surrounded=None, log=None):
        self.asked = []
        self.attempts = Attempts(handler, surrounded, self.decide, deserialize, SystemClock(), None, log)
        call = called(handler, surrounded)
        common = (self.attempts, call, timeout, SystemClock())
        self.coroutines = CoroutineAttempts(*common) if log is None else ObservedCoroutineAttempts(*common, log)

    def decide(self, record, error, context):
        self.asked.append((error, context.stage))
        return Skip("enough")

    def begin(self, task, wants=lambda _: True):
        return self.coroutines.begin_attempt(task, wants)

    def run(self, task=None, *, cancels=False, wants=lambda _: True):
        """Run *task*; return its outcome, and whether it had ended without being awaited."""

        async def main():
            rest = self.begin(task or task_of(), wants)
            if rest is None:
                return None, True
            waiting = asyncio.ensure_future(rest)
            if cancels:
                await asyncio.sleep(0)
                waiting.cancel()
            return await waiting, False

        return asyncio.run(main())


async def at_once(record):
    return None


async def after_a_wait(record):
    await asyncio.sleep(0)


async def fails_at_once(record):
    raise NO_LUCK


async def fails_after_a_wait(record):
    await asyncio.sleep(0)
    raise NO_LUCK


async def forever(record):
    await asyncio.get_running_loop().create_future()


def test_a_handler_that_waits_for_nothing_has_ended_without_being_awaited():
    assert World(at_once).run() == (None, True)


def test_a_handler_that_waits_is_awaited():
    assert World(after_a_wait).run() == (None, False)


@pytest.mark.parametrize("handler", [fails_at_once, fails_after_a_wait])
def test_a_failure_is_decided_by_the_plugins(handler):
    world = World(handler)

    assert world.run() == (Skip("enough"), False)
    assert world.asked == [(NO_LUCK, "handle")]


def test_plugins_decide_on_a_thread_beside_the_loop():
    threads = []

    class Beside(World):
        def decide(self, record, error, context):
            with pytest.raises(RuntimeError):
                asyncio.get_running_loop()
            threads.append("beside")
            return Skip("enough")

    Beside(fails_at_once).run()

    assert threads == ["beside"]


def test_a_record_that_cannot_be_deserialised_does_not_get_to_the_handler():
    def deserialize(record):
        raise NO_LUCK

    world = World(forever, deserialize=deserialize)

    assert world.run() == (Skip("enough"), False)
    assert world.asked == [(NO_LUCK, "prepare")]


def test_the_handler_gets_the_record_with_its_objects():
    seen = []

    async def handler(record):
        seen.append(record)

    World(handler, deserialize=str.upper).run()

    assert seen == ["RECORD"]


def test_an_error_of_the_ordering_is_raised_instead_of_the_handler():
    task = task_of()
    task.error = NO_LUCK
    world = World(forever)

    assert world.run(task) == (Skip("enough"), False)
    assert world.asked == [(NO_LUCK, "prepare")]


@pytest.mark.parametrize("waits", [False, True])
def test_work_that_a_handler_returns_undone_is_a_failure(waits):
    async def handler(record):
        if waits:
            await asyncio.sleep(0)
        return forever_made

    async def main():
        world = World(handler)
        rest = world.begin(task_of())
        assert await rest == Skip("enough")
        return [type(error) for error, _ in world.asked]

    forever_made = forever("other")
    try:
        assert asyncio.run(main()) == [HandlerUnfinished]
    finally:
        forever_made.close()


def test_a_plugin_may_answer_with_a_skip_in_place_of_the_handler():
    async def surrounded(record, context):
        return Skip("not this one")

    assert World(forever, surrounded=surrounded).run() == (LEFT_OUT, False)


def test_wrappers_get_the_context_of_the_attempt():
    seen = []

    async def surrounded(record, context):
        seen.append((record, context.attempt, context.assignment_id))

    World(forever, surrounded=surrounded).run()

    assert seen == [("record", 1, 1)]


def test_a_handler_that_takes_too_long_is_cancelled_and_has_failed():
    world = World(forever, timeout=0.01)

    assert world.run(task_of(SimpleNamespace(topic="orders", partition=0, offset=0))) == (Skip("enough"), False)
    ((error, stage),) = world.asked
    assert isinstance(error, HandlerTimeout)
    assert stage == "handle"


def test_a_cancellation_from_outside_is_let_out():
    with pytest.raises(asyncio.CancelledError):
        World(forever).run(cancels=True, wants=lambda _: False)


def test_a_task_that_was_cancelled_although_it_is_wanted_is_not_done():
    cancelled = asyncio.CancelledError()

    outcome = World(forever).coroutines.cancelled(cancelled)

    assert isinstance(outcome, Failure)
    assert isinstance(outcome.error, HandlerCancelled)
    assert outcome.error.__cause__ is cancelled


def test_a_cancellation_of_something_that_it_awaited_is_its_failure():
    async def handler(record):
        inner = asyncio.get_running_loop().create_future()
        inner.cancel()
        await inner

    world = World(handler)

    assert world.run() == (Skip("enough"), False)
    ((error, _),) = world.asked
    assert isinstance(error, HandlerCancelled)


@pytest.mark.parametrize("waits", [False, True])
def test_an_exit_that_the_handler_raises_itself_stops_the_consumer(waits):
    async def handler(record):
        if waits:
            await asyncio.sleep(0)
        raise GeneratorExit

    world = World(handler)
    outcome, _ = world.run()

    assert isinstance(outcome.error, GeneratorExit)
    assert outcome.is_fatal
    assert world.asked == []


def test_variables_that_a_handler_sets_are_seen_nowhere_else():
    variable, seen = contextvars.ContextVar("variable", default=0), []

    async def handler(record):
        seen.append(variable.get())
        variable.set(1)

    world = World(handler)
    world.run()
    world.run()

    assert seen == [0, 0]


# The same, with the time taken


def logged(handler, task=None):
    told = []
    log = HandledLog(told.extend, SystemClock())
    World(handler, log=log).run(task)
    log.deliver()
    return [(raw, type(error).__name__) for raw, _, _, _, _, error in told]


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (at_once, "NoneType"),
        (after_a_wait, "NoneType"),
        (fails_at_once, "ValueError"),
        (fails_after_a_wait, "ValueError"),
    ],
)
def test_each_attempt_is_told_once(handler, error):
    assert logged(handler) == [("record", error)]


def test_an_attempt_whose_partition_has_left_is_not_told():
    assert logged(at_once, task_of(live=False)) == []
