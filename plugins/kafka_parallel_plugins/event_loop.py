"""Runs ``async def`` handlers on an event loop, a bounded number at once.

A coroutine per worker would take its records itself, but taking may have to wait for work, and an event loop must not.
So a thread waits and hands chunks to the loop; a coroutine that has run its chunk first looks for the next one by
itself, without waiting. While there is work, the thread has nothing to do.

A handler whose result is no longer wanted (its partition left, or the consumer ended, and the time for that is over) is
cancelled. A handler that blocks the loop blocks all others: it is warned about, with the line.

Threads: only the loop's thread touches runs and asyncio tasks; other threads hand it calls. A cancellation is
remembered by the asyncio task it hit, so one that was cancelled runs no other record: the rest goes to a new one.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import WeakSet

from kafka_parallel import Executor, Settings, StateError, Work, hookimpl
from kafka_parallel.plugin_support import get_logger
from kafka_parallel_plugins import exact_timers
from kafka_parallel_plugins.chunk_size import CHUNK_SECONDS, ChunkSizer
from kafka_parallel_plugins.coroutine_stack import coroutine_stack

__all__ = ["AsyncIO"]

log = get_logger(__name__)

# The interval, in seconds, at which unwanted handlers are cancelled and a blocked loop is looked for.
LOOK_EVERY = 0.25
# The time that a cancelled handler gets to clean up before it is cancelled once more, in seconds.
CANCEL_EVERY = 5.0
# The time that one step of a handler may take before it is reported to block the loop, in seconds.
BLOCKED_AFTER = 1.0


_loops: WeakSet[EventLoop] = WeakSet()


def _give_up_all() -> None:
    for loop in list(_loops):
        loop.stop_turning_in_child()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_give_up_all)


class AsyncIO:
    """Provides the executor ``asyncio``: uvloop's event loop where that is installed, else the usual one.

    :param threads: the module ``threading``; a simulation gives a substitute.
    :param clock: measures how long handlers take, in seconds.
    :param cpu_clock: measures how long the loop's thread computes, in seconds.
    """

    def __init__(
        self,
        threads: Any = threading,
        clock: Callable[[], float] = time.perf_counter,
        cpu_clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self._threads = threads
        self._clock = clock
        self._cpu_clock = cpu_clock

    @hookimpl
    def provide_executor(self, settings: Settings) -> Executor:
        """Provide an event loop on a thread of its own, or the one of ``run_async()``."""
        return EventLoop(settings.workers, settings.event_loop, self._threads, self._clock, self._cpu_clock)


class ChunkRun:
    """The work of one asyncio task.

    :ivar chunk: its chunk; ``None`` = there was no further one.
    :ivar claims: the tasks of the chunk, claimed one by one.
    :ivar current: the task whose handler runs.
    :ivar cancelled_at: when the handler was cancelled because its result was no longer wanted; ``None`` = it was not.
    """

    __slots__ = ("cancelled_at", "chunk", "claims", "current")

    def __init__(self, chunk: Any) -> None:
        self.cancelled_at: float | None = None
        self.current: Any = None
        self.go_on_with(chunk)

    def go_on_with(self, chunk: Any) -> None:
        """Go on with *chunk*, or with nothing if it is ``None``."""
        self.chunk = chunk
        self.claims = iter(chunk or ())


class Measured:
    """The times of the records of a chunk that are handed over together.

    :ivar since: when the first of them began.
    :ivar count: how many there are.
    :ivar has_waited: whether one of them gave up control.
    """

    __slots__ = ("_clock", "_computed", "_cpu_clock", "count", "has_waited", "since")

    def __init__(self, clock: Callable[[], float], cpu_clock: Callable[[], float]) -> None:
        self._clock = clock
        self._cpu_clock = cpu_clock
        self.since = clock()
        self._computed = cpu_clock()
        self.count = 0
        self.has_waited = False

    @property
    def seconds(self) -> float:
        """The time they took. If none of them waited, time in which other threads had the interpreter is not theirs."""
        return self._clock() - self.since if self.has_waited else self._cpu_clock() - self._computed


# see docs/decisions/0028-coroutines-share-a-task.md
# see docs/decisions/0041-lazy-imports.md
class EventLoop:
    """Runs chunks as tasks of an event loop.

    :param workers: most handlers that run at once.
    :param loop: a running loop; ``None`` = one of its own, on a daemon thread.
    """

    runs_coroutines = True

    def __init__(
        self,
        workers: int,
        loop: asyncio.AbstractEventLoop | None,
        threads: Any,
        clock: Callable[[], float],
        cpu_clock: Callable[[], float],
    ) -> None:
        self._new_thread = threads.Thread
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._slots = threads.Semaphore(workers)
        self._sizer = ChunkSizer()
        self._users_loop = loop
        self._loop: asyncio.AbstractEventLoop
        self._running: dict[asyncio.Task[None], ChunkRun] = {}
        self._turning: Any = None
        self._ident: int | None = None
        self._turned_at = 0.0
        self._is_started = self._takes_no_more = False
        self._is_leaving, self._has_ended = threads.Event(), threads.Event()

    def __repr__(self) -> str:
        return "asyncio"

    def start(self, work: Work) -> None:
        """Start the threads that pull and watch, and the thread of the event loop unless the loop is the user's."""
        self._work, self._is_started = work, True
        self._turned_at = self._clock()
        self._loop = self._users_loop or _new_loop()
        if self._users_loop is None:
            self._turning = self._spawn(self._turn, "kafka-parallel-event-loop")
        self._loop.call_soon_threadsafe(self._look)
        if hasattr(os, "register_at_fork"):  # not on Windows
            _loops.add(self)
        self._spawn(self._pull, "kafka-parallel-pull")
        self._spawn(self._watch, "kafka-parallel-watch")

    def stop_turning_in_child(self) -> None:
        """In a process that a handler has forked: let no other handler go on, and end when this one gives up control.

        `Work.finish` ends such a process.
        """
        if self._ident != threading.get_ident():
            return
        if self._users_loop is None or asyncio.current_task(self._loop) in self._running:
            getattr(self._loop, "_ready", deque()).clear()
            self._loop.call_soon(self._work.finish, None)

    def join(self, timeout_ms: float) -> bool:
        """Wait up to *timeout_ms* until all handlers have ended; unwanted ones are cancelled."""
        if not self._is_started:
            return True
        deadline = self._clock() + timeout_ms / 1000
        self._slots.release()  # the thread that waits for one must end, even if handlers that never end have them all
        self._tell(self._cancel_unwanted)
        has_ended = bool(self._has_ended.wait(timeout_ms / 1000))
        self._is_leaving.set()
        if has_ended and self._turning is not None:
            self._turning.join(max(0.0, deadline - self._clock()))
        return has_ended

    def stack_of(self, task: Any) -> str | None:
        """The stack of the coroutine that handles *task*, as text; ``None`` if it has just ended. From any thread."""
        for running, run in self._running.copy().items():
            if run.current is task:
                return coroutine_stack(running.get_coro())
        return None

    def workers_of(self, tasks: Sequence[Any]) -> list[str | None]:
        """The name of the asyncio task that is at each of *tasks*; ``None`` if it has just ended."""
        found = {id(run.current): running.get_name() for running, run in self._running.copy().items()}
        return [found.get(id(task)) for task in tasks]

    def _spawn(self, target: Callable[[], None], name: str) -> Any:
        thread = self._new_thread(target=target, name=name, daemon=True)
        thread.start()
        return thread

    def _tell(self, call: Callable[[], None]) -> None:
        """Let the loop make *call*, unless its owner has closed it: then nothing runs on it any more."""
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            if not self._loop.is_closed():
                raise
            self._has_ended.set()

    # The thread of our own loop

    def _turn(self) -> None:
        """Turn the loop until the last handler has ended, however late; the process does not wait for that."""
        loop = self._loop
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            _cancel_all(loop)
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        except BaseException as error:  # noqa: BLE001 - raised by run()
            self._work.fail(error)
        finally:
            loop.close()

    # The thread that waits for work

    def _pull(self) -> None:
        work = self._work
        try:
            while True:
                self._slots.acquire()
                chunk = work.next_chunk(self._sizer.limit)
                if chunk is None:
                    break
                self._loop.call_soon_threadsafe(self._begin, ChunkRun(chunk))
        except BaseException as error:  # noqa: BLE001 - our own bug: stop the consumer instead of one silent thread
            work.fail(self._cause(error))
        self._tell(self._take_no_more)

    def _cause(self, error: BaseException) -> BaseException:
        if not self._loop.is_closed():
            return error
        closed = StateError("the event loop was closed while run_async() ran on it: await run_async() before")
        closed.__cause__ = error
        return closed

    # The event loop

    def _begin(self, run: ChunkRun) -> None:
        """Run *run* in a task of its own. An eager task factory may run it to its first wait at once."""
        run.current = run.cancelled_at = None
        coroutine = self._run_all(run)
        try:
            task = self._loop.create_task(coroutine)
        except BaseException as error:  # noqa: BLE001 - a task factory of the user's; raised by run()
            coroutine.close()
            self._work.fail(error)
            return
        self._running[task] = run
        task.add_done_callback(partial(self._ended, run))

    async def _run_all(self, run: ChunkRun) -> None:
        while run.chunk is not None and await self._run(run):
            run.go_on_with(self._work.next_chunk_nowait(self._sizer.limit, run.chunk))

    async def _run(self, run: ChunkRun) -> bool:
        """Run a chunk; hand over finished records whenever enough time has passed that others may wait for them.

        Its end is handed over when the next one is taken.

        :returns: false if this asyncio task was cancelled: then all is handed over, and it runs nothing more.
        """
        work, clock = self._work, self._clock
        me, measured = asyncio.current_task(), None
        for task in run.claims:
            if measured is not None and clock() - measured.since >= CHUNK_SECONDS:
                work.finish(run.chunk)
                self._learn(measured)
                measured = None
            measured = measured or Measured(clock, self._cpu_clock)
            run.current = task
            rest = work.run_async(run.chunk, task)
            if rest is not None:
                measured.has_waited = True
                await rest
            measured.count += 1
            if _was_cancelled(me, run):
                work.finish(run.chunk)
                return False
        if measured is not None:
            self._learn(measured)
        return True

    def _learn(self, measured: Measured) -> None:
        self._sizer.saw(measured.seconds / measured.count, measured.count)

    def _ended(self, run: ChunkRun, task: asyncio.Task[None]) -> None:
        del self._running[task]
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._work.fail(error)
        elif run.chunk is not None:
            self._begin(run)  # a cancellation ended the task, not the chunk
            return
        self._slots.release()
        self._stop_if_idle()

    def _look(self) -> None:
        """Show that the loop turns; cancel handlers whose results are no longer wanted."""
        self._ident, self._turned_at = threading.get_ident(), self._clock()
        self._cancel_unwanted()
        if not self._has_ended.is_set():
            self._loop.call_later(LOOK_EVERY, self._look)

    def _cancel_unwanted(self) -> None:
        now = self._clock()
        for task, run in list(self._running.items()):
            is_new = run.cancelled_at is None or now - run.cancelled_at >= CANCEL_EVERY
            if is_new and run.current is not None and not self._work.wants(run.current):
                run.cancelled_at = now
                task.cancel()

    def _take_no_more(self) -> None:
        self._takes_no_more = True
        self._stop_if_idle()

    def _stop_if_idle(self) -> None:
        if self._takes_no_more and not self._running:
            self._has_ended.set()
            if self._users_loop is None:
                self._loop.stop()

    # The thread that looks whether the loop turns

    def _watch(self) -> None:
        warned_for = -1.0
        while not self._is_leaving.wait(LOOK_EVERY):
            turned_at = self._turned_at
            if self._clock() - turned_at <= BLOCKED_AFTER + LOOK_EVERY or turned_at == warned_for:
                continue
            if self._loop.is_closed():
                self._work.fail(self._cause(RuntimeError("event loop is closed")))
                return
            warned_for = turned_at
            log.warning("the event loop was blocked for more than %g s, and all handlers with it, at %s: await "
                        "long calls, or use asyncio.to_thread()", BLOCKED_AFTER, self._place())  # fmt: skip

    def _place(self) -> str:
        frames = sys._current_frames()  # noqa: SLF001 - documented, whatever its name says
        frame = frames.get(self._ident or 0)
        if frame is None:
            return "an unknown place"
        found = traceback.extract_stack(frame)[-1]
        return f"{found.filename}:{found.lineno} in {found.name}"


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel the tasks that handlers have begun and not waited for, and let them end."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))


def _was_cancelled(task: asyncio.Task[Any] | None, run: ChunkRun) -> bool:
    """Tell whether the task that runs *run* was cancelled, by us or by others; Python 3.10 only knows of us."""
    if run.cancelled_at is not None:
        return True
    return sys.version_info >= (3, 11) and task is not None and task.cancelling() > 0


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return exact_timers.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
