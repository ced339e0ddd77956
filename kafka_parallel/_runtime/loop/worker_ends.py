"""Tells plugins, on the thread of a worker, that this worker ends: `on_worker_end`.

A worker takes work until there is none, or until it has missed a deadline. Both are answers of `Work`, so no executor
has to know the hook. Without a plugin that implements it, executors get the scheduler itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kafka_parallel.executors import Chunk, Work


class WorkOfEndingWorkers:
    """A `Work` that tells when a worker asked for some for the last time; all else is that of *work*.

    :param work: the work.
    :param tell_end: called on the thread of a worker that ends.
    """

    def __init__(self, work: Work, tell_end: Callable[[], None]) -> None:
        self._work = work
        self._tell_end = tell_end
        self.next_chunk, self.run = self._next_chunk_or_end, self._run_and_look

    def __getattr__(self, name: str) -> Any:
        return getattr(self._work, name)  # looked up each time: a forked child replaces methods

    def _next_chunk_or_end(self, limit: int, done: Any = None) -> Chunk | None:
        """Take work; without any, this thread takes none any more."""
        chunk = self._work.next_chunk(limit, done)
        if chunk is None:
            self._tell_end()
        return chunk

    def _run_and_look(self, chunk: Any, task: Any) -> bool:
        """Run a task; if it has missed its deadline, this thread may be replaced."""
        is_in_time = self._work.run(chunk, task)
        if not is_in_time:
            self._tell_end()
        return is_in_time
