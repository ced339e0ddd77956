"""The worker and the line of a handler that runs.

The executor knows, if it has the methods for it (see `kafka_parallel.executors.Executor`).
"""

from __future__ import annotations

import os
import re
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kafka_parallel.facts import RunningRecord

if TYPE_CHECKING:
    from kafka_parallel._core.task import Task
    from kafka_parallel._core.task_batch import TaskBatch
    from kafka_parallel.executors import Executor

# A line of a stack, as `traceback` and `faulthandler` write it.
FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)', re.MULTILINE)
# `faulthandler` writes the stacks of all threads, each from the innermost frame on; `traceback` ends with it.
INNERMOST_FIRST = "(most recent call first)"
# The thread that took the signal: in a worker process, the one that runs the handler.
CURRENT = "Current thread"
# Code that handlers only pass through on their way to what they wait for, and the way to them.
INSTALLED = ("stdlib", "platstdlib", "purelib", "platlib")
NOT_USERS = tuple(os.path.join(sysconfig.get_paths()[name], "") for name in INSTALLED)
OURS = {"kafka_parallel", "kafka_parallel_plugins"}


class Whereabouts:
    """Asks the executor of a run.

    :param executor: it may lack ``stack_of`` and ``workers_of``.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def running_record(self, item: Task | TaskBatch, since: float, now: float) -> RunningRecord:
        """Describe the handler of *item*, with its worker and its place."""
        (worker,) = self.workers_of([item])
        return running_record(item, (now - since) * 1000, worker, self.place_of(item))

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


def running_record(item: Task | TaskBatch, running_ms: float, worker: str | None, place: str | None) -> RunningRecord:
    """Describe a record, or a batch by its first one."""
    first = item.tasks[0]
    key: Any = first.record.key
    return RunningRecord(
        topic=first.record.topic,
        partition=first.record.partition,
        offset=first.offset,
        key=key if isinstance(key, bytes) else None,
        attempt=first.attempt,
        running_ms=max(0.0, running_ms),
        worker=worker,
        place=place,
        batch_size=len(item.tasks),
        partitions=frozenset((task.record.topic, task.record.partition) for task in item.tasks),
    )


def place_in(stack: str) -> str | None:
    """The innermost line of *stack* that is neither the standard library's nor an installed package's nor ours.

    If all are, it is the innermost.
    """
    threads = stack.split("\n\n") if INNERMOST_FIRST in stack else [stack]
    threads.sort(key=lambda thread: CURRENT not in thread)
    places = [place for thread in threads for place in _places(thread)]
    users = (place for place in places if _is_users(place[0]))
    return next((":".join(place) for place in (*users, *places)), None)


def _places(thread: str) -> list[tuple[str, str]]:
    """The lines in the stack of one *thread*, the innermost first."""
    places = [(found["file"], found["line"]) for found in FRAME.finditer(thread)]
    return places if INNERMOST_FIRST in thread else places[::-1]


def _is_users(file: str) -> bool:
    return not (file.startswith(NOT_USERS) or OURS.intersection(Path(file).parts))
