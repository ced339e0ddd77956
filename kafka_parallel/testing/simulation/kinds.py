"""How handlers are run in the simulated application: one class for each kind of executor and handler.

A kind is made for each start of the application. It names the plugin that provides the executor, and makes a handler
out of `Acts`, which decide the behaviour of any handler. A further kind is a further class, and its name in ``KINDS``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Protocol

from kafka_parallel import Batch, Executor, Settings, Work, hookimpl
from kafka_parallel.testing.simulation.acts import Acts, NoLuckError
from kafka_parallel.testing.simulation.calls import Call
from kafka_parallel.testing.simulation.event_loop import SimulatedLoop
from kafka_parallel.testing.simulation.executor import START_TIMEOUT, Application, run_here
from kafka_parallel.testing.simulation.plan import Plan
from kafka_parallel.testing.simulation.pool import SimulatedPool, arrive, arrive_in_list
from kafka_parallel.testing.simulation.process import Process
from kafka_parallel.testing.simulation.threads import Threads
from kafka_parallel.testing.simulation.world import World


class Kind(Protocol):
    """One way to run handlers.

    :ivar executor: the plugin that provides the executor.
    :ivar batch: how records are put together; ``None`` = handlers take single ones.
    """

    executor: object
    batch: Batch | None

    @property
    def event_loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop of the application's ``run_async()``; ``None`` = it calls ``run()``."""

    def handler(self, acts: Acts) -> Callable[[Any], Any]:
        """Make the handler."""


class Plain:
    """Plain functions, on actors that take chunks by lot: less regular than any real pool of threads."""

    event_loop: asyncio.AbstractEventLoop | None = None

    def __init__(self, world: World, process: Process, plan: Plan) -> None:
        self.executor: object = Actors(world, process, plan.options["workers"], world.random.choice([1, 3, 8]))
        self.batch = batch_of(plan)
        self._world = world

    def handler(self, acts: Acts) -> Callable[[Any], None]:
        """Make a function."""

        def handle(records: Any) -> Any:
            call = acts.begin(self._listed(records))
            self._world.sleep(call.seconds)
            return acts.end(call)

        return handle

    def _listed(self, given: Any) -> list[Any]:
        return [given] if self.batch is None else given


class Coroutines:
    """``async def`` handlers: the real executor and asyncio's own tasks, on a simulated loop.

    Handlers answer a cancellation as handlers do: they go, clean up first, take no notice, or make another error of it.
    Some fail because a future they wait for was cancelled, some cancel the task they run in.
    """

    def __init__(self, world: World, process: Process, plan: Plan) -> None:
        self.batch = batch_of(plan)
        self._is_prompt = plan.timeout_ms is None  # else it runs in a task of its own, which begins a little later
        pace = world.random.choice([1, 1, 1000])  # handlers that seem to be fast are taken in long chunks

        def clock() -> float:
            return world.now / pace

        self.executor: object = built_in("asyncio")(threads=Threads(process), clock=clock, cpu_clock=clock)
        self.event_loop = SimulatedLoop(world, process).as_loop
        self._world = world

    def handler(self, acts: Acts) -> Callable[[Any], Any]:
        """Make an ``async def`` function."""

        async def handle(given: Any) -> Any:
            call = acts.begin([given] if self.batch is None else given, is_prompt=self._is_prompt)
            await self._wait(acts, call)
            try:
                returned = acts.end(call)
            except ValueError:
                if self._world.random.random() < 0.25:
                    await self._cancelled_future()
                raise
            is_single = self.batch is None and self._is_prompt and returned is None
            if is_single and acts.plan.failing and self._world.random.random() < 0.02:
                self._cancel_me(given)
            return returned

        return handle

    async def _wait(self, acts: Acts, call: Call) -> None:
        chance, seconds = self._world.random, call.seconds
        acts.waits(call)
        while True:
            try:
                await asyncio.sleep(seconds)
            except asyncio.CancelledError:
                manner = chance.choice(["goes", "goes", "cleans up", "takes no notice", "makes it another error"])
                acts.cancelled(call, manner)
                seconds = chance.choice([0.0, 0.05, 2.0, 8.0])
                if manner == "takes no notice":
                    continue
                if manner == "cleans up":
                    await self._clean_up(seconds)
                acts.gave_up(call)
                if manner == "makes it another error":
                    raise NoLuckError(call) from None
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


class Processes:
    """Plain functions in other processes, which die, are killed, and give back the records they have not begun."""

    event_loop: asyncio.AbstractEventLoop | None = None

    def __init__(self, world: World, process: Process, plan: Plan) -> None:
        self._pool = SimulatedPool(world, process, plan)
        self.executor: object = self._pool
        self.batch = batch_of(plan)

    def handler(self, acts: Acts) -> Callable[[Any], Any]:
        """Make a handler that can be sent; the pool does the real work."""
        self._pool.acts = acts
        return arrive if self.batch is None else arrive_in_list


class Futures:
    """Plain functions on an executor of the application: the real plugin ``futures``, whose threads are actors."""

    event_loop: asyncio.AbstractEventLoop | None = None

    def __init__(self, world: World, process: Process, plan: Plan) -> None:
        self._application = Application(world, process, plan)
        self._threads = Threads(process)
        self._clock = process.monotonic
        self.executor: object = self
        self.batch = batch_of(plan)

    @hookimpl
    def provide_executor(self, settings: Settings) -> Executor:
        """Provide the threads of the plugin."""
        plugin = import_module(built_in("futures").__module__)
        clock = {"thread_module": self._threads, "clock": self._clock}
        source = plugin.ExecutorSource(self._application.given(), START_TIMEOUT, **clock)
        return plugin.WaitingThreads(settings.workers, source, **clock)  # type: ignore[no-any-return]

    def handler(self, acts: Acts) -> Callable[[Any], Any]:
        """Make a handler that can be sent; the executor of the application does the real work."""
        self._application.acts = acts
        return run_here


def batch_of(plan: Plan) -> Batch | None:
    """The application's ``batch=`` for ``run()``."""
    return None if plan.batch is None else Batch(**plan.batch)


KINDS: Mapping[str, Callable[[World, Process, Plan], Kind]] = {
    "thread-pool": Plain,
    "thread-pool with deadline": Plain,
    "batch on thread-pool": Plain,
    "batch on thread-pool with deadline": Plain,
    "asyncio": Coroutines,
    "asyncio with deadline": Coroutines,
    "batch on asyncio": Coroutines,
    "process-pool": Processes,
    "process-pool with deadline": Processes,
    "batch on process-pool": Processes,
    "futures": Futures,
    "futures with deadline": Futures,
    "batch on futures": Futures,
}


class Actors:
    """An executor whose workers are actors of the world."""

    def __init__(self, world: World, process: Process, workers: int, chunk: int) -> None:
        self._world = world
        self._process = process
        self._workers = workers
        self._chunk = chunk
        self._alive = 0
        self._kept = 0
        self._stuck = 0
        self._work: Work

    @hookimpl
    def provide_executor(self, settings: Settings) -> Executor:
        """Provide itself."""
        return self

    def start(self, work: Work) -> None:
        """Start the workers."""
        self._work = work
        for _ in range(self._workers):
            self._spawn()

    def _spawn(self) -> None:
        self._alive += 1
        self._process.start_thread(self._pull, "worker")

    def replace_worker(self) -> bool:
        """Start a worker in place of one whose handler takes too long."""
        self._stuck += 1
        if self._kept >= self._workers:
            return False
        self._kept += 1
        self._spawn()
        return True

    def join(self, timeout_ms: float) -> bool:
        """Wait for the workers to end."""
        deadline = self._world.now + timeout_ms / 1000
        while self._alive and self._world.now < deadline:
            self._world.sleep(0.01)
        return not self._alive

    def _pull(self) -> None:
        work, done = self._work, None
        while (chunk := work.next_chunk(self._world.random.randint(1, self._chunk), done)) is not None:
            done = chunk if self._run(work, chunk) else None
            if done is None and self._is_superfluous():
                break
        self._alive -= 1

    def _is_superfluous(self) -> bool:
        """Tell a worker whose handler took too long whether there are enough without it."""
        self._stuck -= 1
        is_superfluous = self._kept > self._stuck
        self._kept -= is_superfluous
        return is_superfluous

    def _run(self, work: Work, chunk: Any) -> bool:
        """Run a chunk, to be handed over when the next is taken; false if a handler took too long and it was lost."""
        for task in chunk:
            if not work.run(chunk, task):
                return False
            if self._world.random.random() < 0.5:
                work.finish(chunk)
        return True


@cache
def built_in(name: str) -> Any:
    """The class behind a plugin that ships. Looking entry points up for each instance would take most of a run."""
    (found,) = entry_points(group="kafka_parallel", name=name)
    return found.load()


def dlq_limit(settings: Mapping[str, Any]) -> Any:
    """The limit of the plugin ``dlq``, which is found beside it."""
    return import_module(built_in("dlq").__module__).DlqLimit(**settings)
