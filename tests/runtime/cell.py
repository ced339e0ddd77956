"""One cell of the table of user code: the place of the call, its behaviour, and the required effect."""

from __future__ import annotations

import asyncio
import functools
import threading

from kafka_parallel import (
    ConfigurationError,
    HandlerCancelled,
    HandlerUnfinished,
    ParallelConsumer,
    RecordFailed,
    hookimpl,
)
from kafka_parallel.errors import HandlerError
from tests.runtime.app import TOPIC, App
from tests.runtime.elsewhere import Elsewhere

RECORDS, ODD = 3, 1
# How long a cell may take before it counts as hanging, in seconds: it takes a hundredth of one.
WATCHDOG = 60


class Cell:
    """One run of the table.

    :param where: which user code misbehaves.
    :ivar handled: the offsets whose handler came to its end.
    :ivar asked: offset and stage of each failure that ``on_error`` was asked about.
    :ivar error: the error of run().
    """

    current: Cell

    def __init__(self, where, behaviour, executor="thread-pool", *, batch=None, timeout_ms=None, answer=None):
        self.where, self.behaviour = where, behaviour
        self.executor, self.batch, self.timeout_ms, self.answer = executor, batch, timeout_ms, answer
        self.handled, self.asked, self.error = [], [], None
        self.app = App(0)
        for number in range(RECORDS):
            self.app.cluster.append(TOPIC, b"%d" % number, b"%d" % number, partition=0)
        Cell.current = self  # user code finds it by the name of its module, as it would in another process

    def run(self, handler=None, plugins=()):
        config = {self.where: functools.partial(called, self.where)} if "deserializer" in self.where else {}
        executor = [Elsewhere()] if self.executor == "elsewhere" else []
        self.parallel = ParallelConsumer(
            self.app.consumer(consumer_timeout_ms=float("inf"), **config),
            ordering=functools.partial(called, "ordering") if self.where == "ordering" else "partition",
            plugins=[self, *plugins, *executor],
            install_signal_handlers=False,
            handler_timeout_ms=self.timeout_ms,
            workers=2,
        )
        thread = threading.Thread(target=self._run, args=(handler or HANDLERS[self.executor],), daemon=True)
        thread.start()
        thread.join(WATCHDOG)
        assert not thread.is_alive(), f"{self.behaviour.name} in {self.where} hangs"
        return self

    def _run(self, handler):
        try:
            self.parallel.run(handler, self.batch)
        except BaseException as error:
            self.error = error

    @hookimpl
    def on_error(self, record, context):
        self.asked.append((record.offset, context.stage))
        return self.answer


def called(place, given):
    """A deserialiser, or an ordering."""
    cell = Cell.current
    if place == cell.where and (given.offset if place == "ordering" else int(given)) == ODD:
        return cell.behaviour.act(given, cell.parallel)
    return "all" if place == "ordering" else given


def handle(given):
    cell, returned = Cell.current, None
    records = list(given) if isinstance(given, list) else [given]
    if cell.where == "handler" and any(record.offset == ODD for record in records):
        returned = cell.behaviour.act(given, cell.parallel)
    cell.handled += [record.offset for record in records]
    if cell.handled[-1] == RECORDS - 1:
        cell.parallel.stop()
    return returned


async def handle_at_once(given):
    return handle(given)


async def handle_after_a_wait(given):
    await asyncio.sleep(0)
    try:
        return handle(given)
    finally:
        await asyncio.sleep(0)


HANDLERS = {
    "thread-pool": handle,
    "elsewhere": handle,
    "asyncio": handle_at_once,
    "asyncio, waiting": handle_after_a_wait,
}


def require(cell, meaning, stage):
    """Hold *cell* to the meaning of its behaviour."""
    asked, error, committed = cell.asked, cell.error, cell.app.committed
    if meaning == "handled":
        assert (error, asked, committed) == (None, [], RECORDS)
        assert sorted(cell.handled) == [*range(RECORDS)]
    elif meaning == "fatal":
        assert type(error) is cell.behaviour.raises
        assert asked == []
        assert committed <= ODD
    elif cell.answer is None:
        assert isinstance(error, RecordFailed)
        assert (ODD, stage) in asked
        assert committed <= ODD
        assert_cause(cell, error.__cause__)
    else:
        assert (ODD, stage) in asked
        assert (error, committed) == (None, RECORDS)


def assert_cause(cell, cause):
    if cell.behaviour.is_work:
        assert isinstance(cause, HandlerUnfinished if cell.where == "handler" else ConfigurationError)
    elif not (cell.behaviour.raises is asyncio.CancelledError and isinstance(cause, HandlerCancelled)):
        found = cause.type_name if isinstance(cause, HandlerError) else type(cause).__name__
        assert found.endswith(cell.behaviour.raises.__name__) or isinstance(cause.__cause__, StopIteration)
