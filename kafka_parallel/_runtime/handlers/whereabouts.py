"""The worker and the line of a handler that runs.

The executor knows, if it has the methods for it (see `kafka_parallel.executors.Executor`).
"""

from __future__ import annotations

import os
import re
import sysconfig
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kafka_parallel._core.task import Task
    from kafka_parallel._core.task_batch import TaskBatch
    from kafka_parallel.executors import Executor

# A line of a stack, as `traceback` and `faulthandler` write it.
FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)', re.MULTILINE)
# `faulthandler` begins with the innermost frame, `traceback` ends with it.
INNERMOST_FIRST = "(most recent call first)"
# Code that handlers only pass through on their way to what they wait for.
NOT_USERS = tuple(
    os.path.join(sysconfig.get_paths()[name], "") for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


class Whereabouts:
    """Asks the executor of a run.

    :param executor: it may lack ``stack_of`` and ``workers_of``.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def stack_of(self, item: Task | TaskBatch) -> str | None:
        """The stack of *item*, as text; ``None`` if it cannot be told."""
        stack_of: Callable[[Any], str | None] | None = getattr(self._executor, "stack_of", None)
        return None if stack_of is None else stack_of(item) or None

    def place_of(self, item: Task | TaskBatch) -> str | None:
        """The line of the user's code that the handler of *item* is at, as ``file:line``."""
        stack = self.stack_of(item)
        return None if stack is None else place_in(stack)

    def workers_of(self, items: Sequence[Task | TaskBatch]) -> Sequence[str | None]:
        """The name of the worker that is at each of *items*."""
        workers_of: Callable[[Any], Sequence[str | None]] | None = getattr(self._executor, "workers_of", None)
        return [None] * len(items) if workers_of is None else workers_of(items)


def place_in(stack: str) -> str | None:
    """The innermost line of *stack* that is neither the standard library's nor an installed package's.

    If all are, it is the innermost.
    """
    places = [(found["file"], found["line"]) for found in FRAME.finditer(stack)]
    if INNERMOST_FIRST not in stack:
        places.reverse()
    users = [place for place in places if not place[0].startswith(NOT_USERS)]
    return next((":".join(place) for place in users or places), None)
