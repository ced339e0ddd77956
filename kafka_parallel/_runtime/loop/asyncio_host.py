"""How run() goes on beside an event loop that belongs to the application, which may cancel it."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from kafka_parallel._logs import area_logger
from kafka_parallel._runtime.handlers.coroutines import beside

if TYPE_CHECKING:
    from kafka_parallel._runtime.loop.shutdown import Shutdown

log = area_logger("run")


async def run_hosted(run: Callable[[], None], shutdown: Shutdown) -> None:
    """Have *run* run on a thread of its own, and wait for its end.

    :param shutdown: stops it if this is cancelled; a second cancellation counts as a second signal does.
    :raises Exception: the error of *run*.
    :raises asyncio.CancelledError: this was cancelled, and *run* has ended.
    """
    in_context = partial(contextvars.copy_context().run, run)
    running = beside(lambda act, name: threading.Thread(target=act, name=name).start(), in_context)
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        shutdown.request(requested_by="a cancellation of run_async()")
        await _wait_for(running, shutdown)
        raise


async def _wait_for(running: asyncio.Future[None], shutdown: Shutdown) -> None:
    """Wait until it has stopped in good order, however often this is cancelled meanwhile."""
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError:
            shutdown.signalled("a cancellation of run_async()")
    if (error := running.exception()) is not None:
        log.error("run_async() was cancelled, and failed on its way out: %r", error)
