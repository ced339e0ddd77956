"""The handler of all consumers, as a function and as a coroutine: it notes timed records, and waits with others."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.delays.programs.notes import BULK, BULK_SECONDS, TIMED, Notes


def function(notes: Notes) -> Callable[[Any], None]:
    """The handler for threads."""

    def handle(record: Any) -> None:
        if record.value.startswith(TIMED):
            notes.take(record)
        elif record.value == BULK:
            time.sleep(BULK_SECONDS)
        else:
            threading.Event().wait()

    return handle


def coroutine(notes: Notes) -> Callable[[Any], Awaitable[None]]:
    """The handler for an event loop."""

    async def handle(record: Any) -> None:
        if record.value.startswith(TIMED):
            notes.take(record)
        elif record.value == BULK:
            await asyncio.sleep(BULK_SECONDS)
        else:
            await asyncio.Event().wait()

    return handle
