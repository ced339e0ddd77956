"""How one coroutine runs with context variables of its own, without a task of its own.

A task per record would do the same, and cost more than many handlers. So the coroutine is driven by hand: each of its
steps runs inside the context, and what it waits for is handed on to the task that runs all records of a chunk.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from contextvars import Context
from typing import Any


class InContext:
    """Awaits *coroutine* with the variables of *context*; what it sets is seen by nobody else."""

    def __init__(self, context: Context, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._context = context
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        step, argument = self._coroutine.send, None
        while True:
            try:
                awaited = self._context.run(step, argument)
            except StopIteration as end:
                return end.value
            step, argument = self._coroutine.send, None
            try:
                argument = yield awaited
            except BaseException as error:  # noqa: BLE001 - it is the coroutine's to answer, a cancellation too
                step, argument = self._coroutine.throw, error
