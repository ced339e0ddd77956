"""What runs handlers unless something else is asked for: a bounded pool of threads.

Each thread pulls: it takes a chunk of tasks, runs them, hands them back. One task at a time would cost a lock and a
thread switch per record (15 to 19 us), many at a time would let a record wait for others; so the size of the next chunk
follows the handler's measured time.

It is the median that counts, not the mean: a handler that mostly takes 10 us and sometimes half a second should get
large chunks (idle threads steal what a stuck one has not begun), one that mostly takes 5 ms should get one at a time.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from statistics import median_low
from typing import Any

from kafka_parallel import Executor, Settings, Work, hookimpl

# How much work one chunk should hold, in seconds: a handler of 1 ms or more gets one record at a time.
CHUNK_SECONDS = 0.001
LARGEST_CHUNK = 256
# How many handler times the median looks back on, and how often it is computed anew.
WINDOW = 33
REFRESH = 8


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


class ChunkSizer:
    """How many tasks to take at once.

    Threads share it without a lock: `saw` appends to a bounded deque and assigns a number, and a lost update changes
    one sample of a median.
    """

    def __init__(self) -> None:
        self.limit = 1
        self._times: deque[float] = deque([CHUNK_SECONDS] * 3, maxlen=WINDOW)
        self._seen = 0

    def saw(self, seconds: float, count: int) -> None:
        """Learn that *count* tasks took *seconds* each."""
        self._times.extend([seconds] * min(count, 3))
        self._seen += 1
        if self._seen % REFRESH == 0 or self.limit == 1:
            typical = median_low(tuple(self._times))
            self.limit = LARGEST_CHUNK if typical <= 0 else min(LARGEST_CHUNK, max(1, int(CHUNK_SECONDS / typical)))
