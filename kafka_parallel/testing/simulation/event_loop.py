"""An event loop that turns in the simulated world: asyncio's own tasks and futures, on the world's time.

It is an actor of a process. It has exactly the methods that asyncio needs of a loop; ready callbacks run in asyncio's
order, and between two calls other actors may act, as other threads may.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any, cast

from greenlet import getcurrent, greenlet

from kafka_parallel.testing.simulation.process import Process
from kafka_parallel.testing.simulation.world import World


class SimulatedLoop:
    """Turns for as long as its process lives.

    :param process: the process it runs in.
    :ivar as_loop: itself, for callers that want a whole loop; asyncio needs only the methods here.
    """

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[asyncio.TimerHandle] = []
        self._actor: greenlet | None = None
        self.as_loop = cast("asyncio.AbstractEventLoop", self)
        process.start_thread(self._turn, "event-loop")

    def _turn(self) -> None:
        self._actor = getcurrent()
        try:
            while True:
                self._take_due()
                if self._ready:
                    self._call(self._ready.popleft())
                else:
                    self._world.park(self._timers[0].when() if self._timers else float("inf"))
        finally:  # the world ends
            for task in asyncio.all_tasks(self.as_loop):
                task.get_coro().close()

    def _take_due(self) -> None:
        while self._timers and self._timers[0].when() <= self._world.now:
            self._ready.append(heapq.heappop(self._timers))

    def _call(self, handle: asyncio.Handle) -> None:
        if handle.cancelled():
            return
        asyncio._set_running_loop(self.as_loop)  # noqa: SLF001 - documented, for those who write loops
        try:
            handle._run()  # noqa: SLF001 - as above
        finally:
            asyncio._set_running_loop(None)  # noqa: SLF001 - as above
        if self._world.random.random() < 0.2:
            self._world.sleep(0)

    # The methods that asyncio needs of a loop

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:
        """Call it when it is its turn."""
        handle = asyncio.Handle(callback, args, self.as_loop, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Do the same, and wake the loop."""
        handle = self.call_soon(callback, *args, context=context)
        if self._actor is not None:
            self._world.wake(self._actor)
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call it after *delay* seconds."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call it at *when*."""
        handle = asyncio.TimerHandle(when, callback, args, self.as_loop, context)
        heapq.heappush(self._timers, handle)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: it is passed over when it falls due."""

    def time(self) -> float:
        """Tell the world's time."""
        return self._world.now

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future."""
        return asyncio.Future(loop=self.as_loop)

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """Make a task."""
        return asyncio.Task(coro, loop=self.as_loop, **options)

    def get_debug(self) -> bool:
        """Tell that it is not in debug mode."""
        return False

    def is_closed(self) -> bool:
        """Tell that it is never closed."""
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Let an error in a callback end the run; tasks that are thrown away with the world do not count."""
        if "handle" in context:
            raise context["exception"]
