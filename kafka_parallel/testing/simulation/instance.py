"""One start of the simulated application: the real engine on a fake consumer, with actors for its threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from greenlet import GreenletExit

from kafka_parallel import Executor, Settings, Work, hookimpl
from kafka_parallel.manager import NO_AUTOLOAD_VARIABLE, Plugins
from kafka_parallel.options import Options
from kafka_parallel.runtime.client import Client
from kafka_parallel.runtime.engine import Engine
from kafka_parallel.runtime.shutdown import Shutdown
from kafka_parallel.testing.simulation.process import Process
from kafka_parallel.testing.simulation.world import World


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


class Instance:
    """One start of the application.

    :param name: what the checker calls it.
    :param process: what it runs in, and gets its time from.
    :param consumer: its fake consumer.
    :param plugins: plugins, without an executor.
    :ivar error: what run() raised.
    """

    def __init__(
        self,
        world: World,
        name: str,
        process: Process,
        consumer: Any,
        options: Options,
        plugins: list[object],
        handler: Callable[[Any], Any],
    ) -> None:
        self.name = name
        self.consumer = consumer
        self._process = process
        self._shutdown = Shutdown(options.stop_timeout_ms / 1000)
        executor = Actors(world, process, options.workers, world.random.choice([1, 3, 8]))
        found = Plugins([executor, *plugins], {NO_AUTOLOAD_VARIABLE: "1"})
        self._engine = Engine(Client(consumer), found, options, self._shutdown, handler, process)
        self.is_alive = True
        self.error: BaseException | None = None
        process.start_thread(self._run, "main")

    def _run(self) -> None:
        try:
            self._engine.run()
        except GreenletExit:
            raise
        except BaseException as error:  # noqa: BLE001 - what the process would have died of
            self.error = error
        self.is_alive = False

    @property
    def is_stopping(self) -> bool:
        """Whether it got a SIGTERM."""
        return self._shutdown.is_requested

    def stop(self) -> None:
        """Send SIGTERM; the second one abandons."""
        self._shutdown.signalled()

    def kill(self) -> None:
        """Send SIGKILL, or end the process after run() has returned: handlers that still run are gone."""
        self._process.kill()
        self.is_alive = False

    def freeze(self, seconds: float) -> None:
        """Send SIGSTOP, and SIGCONT after *seconds*."""
        self._process.freeze(seconds)
