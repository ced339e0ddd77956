"""What runs ``async def`` handlers: an event loop, at most so many at once.

A coroutine per worker would take its records itself, but taking may have to wait for work, and an event loop must not.
So a thread waits and hands chunks to the loop; a coroutine that has run its chunk first looks for the next one by
itself, without waiting. While there is work, the thread has nothing to do.

A handler that nobody waits for any more (its partition left, or the consumer ended, and the time for that is over) is
cancelled. A handler that blocks the loop blocks all others: it is warned about, with the line.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from typing import Any

from kafka_parallel import Executor, Settings, Work, hookimpl
from kafka_parallel_plugins.chunk_size import CHUNK_SECONDS, ChunkSizer
from kafka_parallel_plugins.coroutine_stack import coroutine_stack

log = logging.getLogger(__name__)

# How often it is looked for handlers that nobody waits for, and whether the loop still turns, in seconds.
LOOK_EVERY = 0.1
# How long one step of a handler may take before it is said to block the loop, in seconds.
BLOCKED_AFTER = 1.0


class AsyncIO:
    """Provides the executor ``asyncio``: uvloop's event loop where that is installed, else the usual one."""

    @hookimpl
    def provide_executor(self, settings: Settings) -> Executor:
        """Provide an event loop on a thread of its own, or the one of ``run_async()``."""
        return EventLoop(settings.workers, settings.event_loop)


class EventLoop:
    """Runs chunks as tasks of an event loop.

    :param workers: most handlers that run at once.
    :param loop: a running loop; ``None`` = one of its own, on a daemon thread.
    """

    runs_coroutines = True

    def __init__(self, workers: int, loop: asyncio.AbstractEventLoop | None) -> None:
        self._slots = threading.Semaphore(workers)
        self._sizer = ChunkSizer()
        self._users_loop = loop
        self._loop: asyncio.AbstractEventLoop
        self._running: dict[asyncio.Task[None], Any] = {}
        self._threads: list[threading.Thread] = []
        self._ident: int | None = None
        self._turned_at = time.monotonic()
        self._is_over = threading.Event()

    def start(self, work: Work) -> None:
        """Start the threads and, if it is our own, the loop."""
        self._loop = self._users_loop or _new_loop()
        if self._users_loop is None:
            self._spawn(self._turn, "kafka-parallel-event-loop")
        self._loop.call_soon_threadsafe(self._look, work)
        self._spawn(lambda: self._pull(work), "kafka-parallel-pull")
        self._spawn(self._watch, "kafka-parallel-watch")

    def join(self, timeout: float) -> bool:
        """Wait up to *timeout* seconds until all handlers have ended; those that nobody waits for are cancelled."""
        deadline = time.monotonic() + timeout
        while self._running and time.monotonic() < deadline:
            self._is_over.wait(0.01)
        self._is_over.set()
        if self._users_loop is None:
            self._loop.call_soon_threadsafe(self._loop.stop)
        for thread in self._threads:
            thread.join(max(0.01, deadline - time.monotonic()))
        return not self._running

    def stack_of(self, task: Any) -> str | None:
        """Where the handler of *task* is; ``None`` if it has just ended."""
        for running, at in list(self._running.items()):
            if at is task:
                return coroutine_stack(running.get_coro())
        return None

    def _spawn(self, target: Any, name: str) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _turn(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    # The thread that waits for work

    def _pull(self, work: Work) -> None:
        try:
            while True:
                self._slots.acquire()
                chunk = work.take(self._sizer.limit)
                if chunk is None:
                    return
                self._loop.call_soon_threadsafe(self._begin, work, chunk)
        except BaseException as error:  # noqa: BLE001 - our own bug: stop the consumer instead of one silent thread
            work.fail(error)

    # The event loop

    def _begin(self, work: Work, chunk: Any) -> None:
        task = self._loop.create_task(self._run_all(work, chunk))
        self._running[task] = None
        task.add_done_callback(lambda ended: self._ended(work, ended))

    async def _run_all(self, work: Work, chunk: Any) -> None:
        while chunk is not None:
            await self._run(work, chunk)
            chunk = work.take_nowait(self._sizer.limit)

    async def _run(self, work: Work, chunk: Any) -> None:
        """Run a chunk; hand over what is done whenever it took long enough that others may wait for it."""
        me = asyncio.current_task()
        before, count = time.perf_counter(), 0
        for task in chunk:
            self._running[me] = task  # type: ignore[index]
            await work.run_async(chunk, task)
            count += 1
            if (now := time.perf_counter()) - before >= CHUNK_SECONDS:
                work.finish(chunk)
                self._sizer.saw((now - before) / count, count)
                before, count = time.perf_counter(), 0
        if count:
            work.finish(chunk)
            self._sizer.saw((time.perf_counter() - before) / count, count)

    def _ended(self, work: Work, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._slots.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            work.fail(error)

    def _look(self, work: Work) -> None:
        """Show that the loop turns; cancel handlers that nobody waits for."""
        self._ident, self._turned_at = threading.get_ident(), time.monotonic()
        for running, task in list(self._running.items()):
            if task is not None and not work.wants(task):
                running.cancel()
        if not self._is_over.is_set():
            self._loop.call_later(LOOK_EVERY, self._look, work)

    # The thread that looks whether the loop turns

    def _watch(self) -> None:
        warned_for = 0.0
        while not self._is_over.wait(LOOK_EVERY):
            turned_at = self._turned_at
            if time.monotonic() - turned_at > BLOCKED_AFTER + LOOK_EVERY and turned_at != warned_for:
                warned_for = turned_at
                log.warning("the event loop was blocked for more than %g s, and all handlers with it, at %s: await "
                            "what takes long, or use asyncio.to_thread()", BLOCKED_AFTER, self._place())  # fmt: skip

    def _place(self) -> str:
        frames = sys._current_frames()  # noqa: SLF001 - documented, whatever its name says
        frame = frames.get(self._ident or 0)
        if frame is None:
            return "an unknown place"
        found = traceback.extract_stack(frame)[-1]
        return f"{found.filename}:{found.lineno} in {found.name}"


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
