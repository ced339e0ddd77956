"""How the calls that a run makes of its consumer are told from all others.

By a context variable, which threads, greenlets and coroutines have of their own, and by the call's kind: within the
run's ``poll()`` a rebalance listener may not commit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

_within: ContextVar[tuple[object, str, int] | None] = ContextVar("kafka_parallel_call", default=None)

# The purpose of each method of the consumer, by its name.
PURPOSES = {
    "poll": "read", "commit": "commit", "commit_async": "commit", "close": "close", "subscribe": "change",
    "unsubscribe": "change",
}  # fmt: skip


class OwnCalls:
    """Tells the calls that the run makes on its consumer from those of user code."""

    def ours(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        """Return *method*, called *name*, for the run to call."""
        purpose = PURPOSES.get(name)
        if purpose is None:
            return method

        def call(*arguments: Any, **options: Any) -> Any:
            before = _within.set((self, purpose, threading.get_ident()))
            try:
                return method(*arguments, **options)
            finally:
                _within.reset(before)

        return call

    def are_ours(self, *purposes: str) -> bool:
        """Tell whether the caller is within a call of the run for one of these *purposes*."""
        found = _within.get()
        return found is not None and found[0] is self and found[1] in purposes and found[2] == threading.get_ident()
