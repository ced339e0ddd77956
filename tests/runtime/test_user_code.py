"""The table of user code: place of the call x behaviour x executor x deadline, with the required effect of each cell.

For each cell one of these holds: the record was handled once its handler really ran; it failed and ``on_error`` was
asked; run() ended with the error and the record is not committed; the start was refused. "Committed and none of these"
may never be, and no cell may hang. One partition has three records of one key; user code misbehaves at the middle one.
"""

from __future__ import annotations

import asyncio
import threading

import pytest

from kafka_parallel import Batch, HandlerTimeout, Skip
from kafka_parallel.testing.simulation.user_code import BEHAVIOURS, Behaviour
from tests.runtime.cell import HANDLERS, ODD, WATCHDOG, Cell, handle, require

ALL = pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour.name)
ON = pytest.mark.parametrize("executor", HANDLERS)
SINGLE_OR_BATCH = pytest.mark.parametrize("batch", [None, Batch(max_records=2)], ids=["single", "batch"])
SKIP = Skip("on purpose")


@ALL
@ON
@SINGLE_OR_BATCH
@pytest.mark.parametrize("timeout_ms", [None, 60_000], ids=["for ever", "with a deadline"])
def test_a_handler(behaviour, executor, batch, timeout_ms):
    """With a deadline ``on_error`` skips failed records, else nothing decides."""
    answer = None if timeout_ms is None else SKIP
    cell = Cell("handler", behaviour, executor, batch=batch, timeout_ms=timeout_ms, answer=answer)

    require(cell.run(), behaviour.meaning, "handle")


@ALL
@ON
@SINGLE_OR_BATCH
@pytest.mark.filterwarnings("ignore:coroutine '_await:RuntimeWarning")
def test_a_deserialiser(behaviour, executor, batch):
    """The handler gets whatever it returns, as on the bare client: an ``async def`` handler may await it."""
    meaning = "handled" if behaviour.is_work else behaviour.meaning
    where, answer = ("value_deserializer", None) if batch is None else ("key_deserializer", SKIP)

    require(Cell(where, behaviour, executor, batch=batch, answer=answer).run(), meaning, "prepare")


@ALL
@ON
def test_an_ordering(behaviour, executor):
    answer = None if "asyncio" in executor else SKIP

    require(Cell("ordering", behaviour, executor, answer=answer).run(), behaviour.meaning, "prepare")


@ON
@SINGLE_OR_BATCH
def test_a_handler_that_never_returns(executor, batch):
    """Only a deadline can end it; the thread of a plain one goes on, and is let go at the end of the test."""
    forever = threading.Event()

    async def wait(given):
        if all(record.offset != ODD for record in (given if batch else [given])):
            return handle(given)
        return await asyncio.Event().wait()

    behaviour = Behaviour("never returns", lambda *_: forever.wait(WATCHDOG), "failed", HandlerTimeout)
    cell = Cell("handler", behaviour, executor, batch=batch, timeout_ms=50)
    try:
        if executor != "elsewhere":  # there its process is killed, and this one must not be
            require(cell.run(wait if "asyncio" in executor else None), "failed", "handle")
    finally:
        forever.set()


@ON
@SINGLE_OR_BATCH
def test_a_handler_that_calls_stop(executor, batch):
    cell = Cell("handler", Behaviour("calls stop()", lambda _, public: public.stop(), "handled"), executor, batch=batch)

    cell.run()

    assert (cell.error, cell.asked) == (None, [])
    assert cell.app.committed == len(cell.handled) > ODD
