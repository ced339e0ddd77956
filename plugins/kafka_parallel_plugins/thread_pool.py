"""The default executor: a bounded pool of threads.

Each thread pulls: it takes a chunk of tasks, runs them, hands them back. The number that it takes follows the handler's
measured time (see ``chunk_size.py``). Threads are started when all others have something to do: one that never runs
costs 17 KB, and its start as much time as 50 fast records.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from kafka_parallel import Executor, Settings, Work, hookimpl
from kafka_parallel_plugins.chunk_size import CHUNK_SECONDS, ChunkSizer

__all__ = ["ThreadPool"]


class ThreadPool:
    """Provides the executor ``thread-pool``: up to ``workers`` threads, each of them started when it is needed.

    It has no settings; ``workers`` of the consumer is the number of threads.
    """

    @hookimpl
    def provide_executor(self, settings: Settings) -> Executor:
        """Provide a pool of ``settings.workers`` threads; as many others may stand in for those that are overdue."""
        return Threads(settings.workers)


# see docs/decisions/0040-lazy-threads.md
class Threads:
    """A bounded number of daemon threads that pull work until there is no more.

    They are daemons because a handler that never returns must not keep the process alive; nothing that has to be
    finished is left to them, for commits are made by the thread of run().

    :param workers: how many at once.
    :param thread_module: the module ``threading``; a simulation gives a substitute.
    :param clock: measures how long handlers take, in seconds.
    """

    def __init__(
        self, workers: int, thread_module: Any = threading, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._thread_module = thread_module
        self._clock = clock
        self._workers = workers
        self._sizer = ChunkSizer()
        self._work: Work
        self._threads: list[threading.Thread] = []
        self._at: dict[int, Any] = {}
        self._lock = thread_module.Lock()  # guards the list of threads and the counts below
        self._to_start = workers  # how many workers have no thread yet
        self._idle = 0  # how many threads wait for work, or are about to; not counted once all are started
        self._late = 0  # how many threads are at a handler that has taken too long
        self._kept = 0  # how many more threads there are than workers
        self._started = 0

    def __repr__(self) -> str:
        return "thread-pool"

    def start(self, work: Work) -> None:
        """Start the first thread, which starts others as there is work for them."""
        self._work = work
        self._to_start -= 1
        self._spawn()

    def _spawn(self, more: int = 0) -> None:
        """Start a thread that starts *more* threads before it works."""
        with self._lock:
            self._idle += 1
            name = f"kafka-parallel-{self._started}"
            self._started += 1
            thread = self._thread_module.Thread(target=self._pull, args=(self._work, more), name=name, daemon=True)
            thread.start()  # under the lock: a concurrent join must not find a thread that was not started
            self._threads.append(thread)

    def replace_worker(self) -> bool:
        """Start a thread in place of one whose handler takes too long; there are at most twice as many as workers."""
        with self._lock:
            self._late += 1
            if self._kept >= self._workers:
                return False
            self._kept += 1
            self._threads = [thread for thread in self._threads if thread.is_alive()]
        self._spawn()
        return True

    def _is_replaced(self) -> bool:
        """Tell a thread whose handler took too long whether another one does its work; it may ask before that is there.

        Threads are alike: it need not be the one that was started for it, if that one hangs as well.
        """
        with self._lock:
            self._late -= 1
            is_replaced = self._kept > self._late
            self._kept -= is_replaced
        return is_replaced

    def stack_of(self, task: Any) -> str | None:
        """The stack of the thread that handles *task*, as text; ``None`` if it has just ended. From any thread."""
        ident = next((ident for ident, at in self._at.copy().items() if at is task), None)
        frame = sys._current_frames().get(ident or 0)  # noqa: SLF001 - documented, whatever its name says
        return None if frame is None else "".join(traceback.format_stack(frame))

    def workers_of(self, tasks: Sequence[Any]) -> list[str | None]:
        """The name of the thread that is at each of *tasks*; ``None`` if it has just ended."""
        names = {thread.ident: thread.name for thread in list(self._threads)}
        found = {id(task): names.get(ident) for ident, task in self._at.copy().items()}
        return [found.get(id(task)) for task in tasks]

    def join(self, timeout_ms: float) -> bool:
        """Wait up to *timeout_ms* milliseconds in all for the threads to end; tell whether all of them did."""
        deadline = self._clock() + timeout_ms / 1000
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline - self._clock()))
        return not any(thread.is_alive() for thread in threads)

    def _pull(self, work: Work, more: int) -> None:
        try:
            for _ in range(more):
                self._spawn()
            done = None
            while (chunk := work.next_chunk(self._sizer.limit, done)) is not None:
                if self._to_start:
                    self._begin()
                done = chunk if self._run(work, chunk) else None
                if done is None and self._is_replaced():
                    return
                if self._to_start:
                    with self._lock:
                        self._idle += 1
        except BaseException as error:  # noqa: BLE001 - our own bug: stop the consumer instead of one silent thread
            work.fail(error)

    def _begin(self) -> None:
        """Start other threads before running a chunk if none waits for work: there may be more of it.

        As many as there are already, started by the first of them: one by one, each by the last, takes a thousand
        threads much longer, and this chunk must not wait for all of them.
        """
        with self._lock:
            self._idle -= 1
            count = min(self._to_start, self._started) if self._idle == 0 else 0
            self._to_start -= count
        if count:
            self._spawn(count - 1)

    def _run(self, work: Work, chunk: Any) -> bool:
        """Run a chunk; hand over finished records whenever enough time has passed that others may wait for them.

        Its end is handed over when the next one is taken.

        :returns: false if a handler took longer than its deadline.
        """
        clock, at, me = self._clock, self._at, self._thread_module.get_ident()
        handed_over = now = clock()
        count = 0
        for task in chunk:
            if now - handed_over >= CHUNK_SECONDS:
                work.finish(chunk)
                self._sizer.saw((now - handed_over) / count, count)
                handed_over, count = clock(), 0
            at[me] = task
            if not work.run(chunk, task):
                return False
            count += 1
            now = clock()
        if count:
            self._sizer.saw((now - handed_over) / count, count)
        return True
