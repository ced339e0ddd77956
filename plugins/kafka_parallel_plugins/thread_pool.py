"""What runs handlers unless something else is asked for: a bounded pool of threads.

Each thread pulls: it takes a chunk of tasks, runs them, hands them back. How many it takes follows the handler's
measured time (see ``chunk_size.py``).
"""

from __future__ import annotations

import threading
import time
from typing import Any

from kafka_parallel import Executor, Settings, Work, hookimpl
from kafka_parallel_plugins.chunk_size import CHUNK_SECONDS, ChunkSizer


class ThreadPool:
    """Provides the executor ``thread-pool``."""

    @hookimpl
    def provide_executor(self, settings: Settings) -> Executor:
        """Provide a pool of ``settings.workers`` threads."""
        return Threads(settings.workers)


class Threads:
    """A fixed number of daemon threads that pull work until there is no more.

    They are daemons because a handler that never returns must not keep the process alive; nothing that has to be
    finished is left to them, for commits are made by the thread of run().
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._sizer = ChunkSizer()
        self._threads: list[threading.Thread] = []

    def start(self, work: Work) -> None:
        """Start the threads."""
        for number in range(self._workers):
            thread = threading.Thread(target=self._pull, args=(work,), name=f"kafka-parallel-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def join(self, timeout: float) -> bool:
        """Wait up to *timeout* seconds for the threads to end; tell whether they did."""
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _pull(self, work: Work) -> None:
        try:
            while (chunk := work.take(self._sizer.limit)) is not None:
                self._run(work, chunk)
        except BaseException as error:  # noqa: BLE001 - our own bug: stop the consumer instead of one silent thread
            work.fail(error)

    def _run(self, work: Work, chunk: Any) -> None:
        """Run a chunk; hand over what is done whenever it took long enough that others may wait for it."""
        clock = time.perf_counter
        handed_over = before = clock()
        count = 0
        for task in chunk:
            work.run(chunk, task)
            count += 1
            now = clock()
            if now - before >= CHUNK_SECONDS or now - handed_over >= CHUNK_SECONDS:
                work.finish(chunk)
                self._sizer.saw((now - handed_over) / count, count)
                handed_over = now = clock()
                count = 0
            before = now
        if count:
            work.finish(chunk)
            self._sizer.saw((before - handed_over) / count, count)
