"""A run beside an event loop stops when it is cancelled, and is waited for."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from kafka_parallel._runtime.loop.asyncio_host import run_hosted
from kafka_parallel._runtime.loop.shutdown import Shutdown

variable = contextvars.ContextVar("variable")


class Run:
    """A run that goes on until it is told to stop, and then as long as the test likes."""

    def __init__(self, error=None):
        self.shutdown = Shutdown(30.0)
        self.has_begun, self.may_end, self.has_ended = threading.Event(), threading.Event(), False
        self._error = error

    def __call__(self):
        self.has_begun.set()
        assert self.may_end.wait(30)
        self.has_ended = True
        if self._error is not None:
            raise self._error

    async def hosted(self, cancellations):
        """Host it, cancel it so many times, and let it end."""
        task = asyncio.ensure_future(run_hosted(self, self.shutdown))
        while not self.has_begun.is_set():
            await asyncio.sleep(0)
        for _ in range(cancellations):
            task.cancel()
            for _ in range(5):
                await asyncio.sleep(0)
            assert not task.done()
        self.may_end.set()
        await task


def test_it_waits_for_the_end_of_the_run():
    run = Run()

    asyncio.run(run.hosted(cancellations=0))

    assert run.has_ended


def test_what_the_run_raises_is_raised():
    with pytest.raises(LookupError):
        asyncio.run(Run(LookupError()).hosted(cancellations=0))


@pytest.mark.parametrize(("cancellations", "is_abandoned"), [(1, False), (2, True)])
def test_a_cancellation_stops_the_run_and_a_second_one_waits_for_no_record(cancellations, is_abandoned):
    run = Run()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run.hosted(cancellations))

    assert run.has_ended, "it was waited for"
    assert run.shutdown.requested_by == "a cancellation of run_async()"
    assert run.shutdown.is_abandoned is is_abandoned


def test_a_failure_on_the_way_out_of_a_cancelled_run_is_logged(caplog):
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(Run(LookupError("no such key")).hosted(cancellations=1))

    assert "failed on its way out: LookupError('no such key')" in caplog.text


def test_the_run_has_the_context_of_who_awaits_it():
    found = []

    async def act():
        variable.set("set outside")
        await run_hosted(lambda: found.append(variable.get()), Shutdown(1.0))

    asyncio.run(act())

    assert found == ["set outside"]
