"""A coroutine runs in a context of its own, and blocking calls run beside it."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from kafka_parallel._runtime.handlers.coroutines import HandlerExit, InContext, beside, ended, raised

variable = contextvars.ContextVar("variable", default="outside")


def start_thread(act, name):
    threading.Thread(target=act, name=name).start()


async def in_context(coroutine):
    return await ended(InContext(contextvars.copy_context(), coroutine))


def test_what_a_coroutine_sets_is_seen_by_itself_alone():
    async def act():
        variable.set("inside")
        await asyncio.sleep(0)
        return variable.get()

    async def both():
        return await in_context(act()), variable.get()

    assert asyncio.run(both()) == ("inside", "outside")


def test_a_coroutine_that_was_begun_goes_on_where_it_waits():
    steps = []

    async def act():
        steps.append("begun")
        await asyncio.sleep(0)
        steps.append("went on")

    async def begin_and_await():
        context, coroutine = contextvars.copy_context(), act()
        inside = InContext(context, coroutine, context.run(coroutine.send, None))
        steps.append("between")
        await ended(inside)

    asyncio.run(begin_and_await())

    assert steps == ["begun", "between", "went on"]


def test_a_generator_exit_of_the_handler_is_no_end_by_python():
    async def act():
        raise GeneratorExit

    with pytest.raises(HandlerExit):
        asyncio.run(in_context(act()))
    with pytest.raises(HandlerExit):
        asyncio.run(raised(GeneratorExit()))


def test_any_other_error_is_raised_as_it_is():
    error = ValueError("bad")

    with pytest.raises(ValueError, match="bad") as found:
        asyncio.run(raised(error))
    assert found.value is error


def test_what_blocks_runs_on_a_thread_of_its_own_and_its_result_comes_back():
    async def act():
        return await beside(start_thread, threading.current_thread), threading.current_thread()

    there, here = asyncio.run(act())

    assert there is not here


def test_an_error_of_what_blocks_is_raised_where_it_is_awaited():
    async def act():
        await beside(start_thread, lambda: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(act())


def test_a_call_that_is_no_longer_awaited_runs_to_its_end():
    may_end, has_ended = threading.Event(), threading.Event()

    def block():
        may_end.wait()
        has_ended.set()

    async def act():
        future = beside(start_thread, block)
        future.cancel()
        may_end.set()

    asyncio.run(act())

    assert has_ended.wait(30)
