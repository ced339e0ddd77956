"""How handlers are run in the simulated application: one class for each kind of executor and handler.

A kind is made for each start of the application. It says which plugin provides the executor, and makes a handler out of
`Acts`, which decide what any handler does. A further kind is a further class, and its name in ``KINDS``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Protocol

from kafka_parallel import Executor, Settings, Work, hookimpl
from kafka_parallel.testing.simulation.acts import Acts
from kafka_parallel.testing.simulation.event_loop import SimulatedLoop
from kafka_parallel.testing.simulation.process import Process
from kafka_parallel.testing.simulation.threads import Threads
from kafka_parallel.testing.simulation.world import World


class Kind(Protocol):
    """One way to run handlers.

    :ivar executor: the plugin that provides the executor.
    """

    executor: object

    @property
    def event_loop(self) -> asyncio.AbstractEventLoop | None:
        """What the application's ``run_async()`` runs on; ``None`` = it calls ``run()``."""

    def handler(self, acts: Acts) -> Callable[[Any], Any]:
        """Make the handler."""


class Plain:
    """Plain functions, on actors that take chunks by lot: less regular than any real pool of threads."""

    event_loop: asyncio.AbstractEventLoop | None = None

    def __init__(self, world: World, process: Process, workers: int) -> None:
        self.executor: object = Actors(world, process, workers, world.random.choice([1, 3, 8]))
        self._world = world

    def handler(self, acts: Acts) -> Callable[[Any], None]:
        """Make a function."""

        def handle(record: Any) -> None:
            self._world.sleep(acts.begin(record))
            acts.end(record)

        return handle


class Coroutines:
    """``async def`` handlers: the real executor and asyncio's own tasks, on a simulated loop.

    Handlers answer a cancellation as handlers do: they go, clean up first, or take no notice. Some fail because what
    they wait for was cancelled, some cancel the task they run in.
    """

    def __init__(self, world: World, process: Process, workers: int) -> None:
        pace = world.random.choice([1, 1, 1000])  # handlers that seem to be fast are taken in long chunks

        def clock() -> float:
            return world.now / pace

        self.executor: object = built_in("asyncio")(threads=Threads(process), clock=clock, cpu_clock=clock)
        self.event_loop = SimulatedLoop(world, process).as_loop
        self._world = world

    def handler(self, acts: Acts) -> Callable[[Any], Any]:
        """Make an ``async def`` function."""

        async def handle(record: Any) -> None:
            await self._wait(acts, record, acts.begin(record))
            try:
                acts.end(record)
            except ValueError:
                if self._world.random.random() < 0.25:
                    await self._cancelled_future()
                raise
            if acts.plan.failing and self._world.random.random() < 0.02:
                self._cancel_me(record)

        return handle

    async def _wait(self, acts: Acts, record: Any, seconds: float) -> None:
        chance = self._world.random
        acts.waits(record)
        while True:
            try:
                await asyncio.sleep(seconds)
            except asyncio.CancelledError:
                manner = chance.choice(["goes", "goes", "cleans up", "takes no notice"])
                acts.cancelled(record, manner)
                seconds = chance.choice([0.0, 0.05, 2.0, 8.0])
                if manner == "takes no notice":
                    continue
                if manner == "cleans up":
                    await self._clean_up(seconds)
                acts.gave_up(record)
                raise
            return

    async def _clean_up(self, seconds: float) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # sent again if it takes long
            await asyncio.sleep(seconds)

    async def _cancelled_future(self) -> None:
        future = self.event_loop.create_future()
        future.cancel()
        await future

    def _cancel_me(self, record: Any) -> None:
        self._world.note(f"the handler of {record.partition}@{record.offset} cancels its own task")
        task = asyncio.current_task()
        if task is not None:
            task.cancel()


KINDS: Mapping[str, Callable[[World, Process, int], Kind]] = {"thread-pool": Plain, "asyncio": Coroutines}


class Actors:
    """An executor whose workers are actors of the world."""

    def __init__(self, world: World, process: Process, workers: int, chunk: int) -> None:
        self._world = world
        self._process = process
        self._workers = workers
        self._chunk = chunk
        self._alive = 0

    @hookimpl
    def provide_executor(self, settings: Settings) -> Executor:
        """Provide itself."""
        return self

    def start(self, work: Work) -> None:
        """Start the workers."""
        for number in range(self._workers):
            self._alive += 1
            self._process.start_thread(lambda: self._pull(work), f"worker-{number}")

    def join(self, timeout: float) -> bool:
        """Wait for the workers to end."""
        deadline = self._world.now + timeout
        while self._alive and self._world.now < deadline:
            self._world.sleep(0.01)
        return not self._alive

    def _pull(self, work: Work) -> None:
        while (chunk := work.take(self._world.random.randint(1, self._chunk))) is not None:
            for task in chunk:
                work.run(chunk, task)
                if self._world.random.random() < 0.5:
                    work.finish(chunk)
            work.finish(chunk)
        self._alive -= 1


@cache
def built_in(name: str) -> Any:
    """The class behind a plugin that ships. Looking entry points up for each instance would take most of a run."""
    (found,) = entry_points(group="kafka_parallel", name=name)
    return found.load()
