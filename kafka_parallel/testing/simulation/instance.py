"""One start of the simulated application: the real engine on a fake consumer, with actors for its threads."""

from __future__ import annotations

from typing import Any

from greenlet import GreenletExit

from kafka_parallel.manager import NO_AUTOLOAD_VARIABLE, Plugins
from kafka_parallel.options import Options
from kafka_parallel.runtime.client import Client
from kafka_parallel.runtime.engine import Engine
from kafka_parallel.runtime.shutdown import Shutdown
from kafka_parallel.testing.simulation.acts import Acts
from kafka_parallel.testing.simulation.kinds import Kind
from kafka_parallel.testing.simulation.process import Process


class Instance:
    """One start of the application.

    :param name: what the checker calls it.
    :param process: what it runs in, and gets its time from.
    :param consumer: its fake consumer.
    :param plugins: plugins, without an executor.
    :param kind: how its handlers are run.
    :param acts: what they do.
    :ivar acts: what its handlers do.
    :ivar error: what run() raised.
    """

    def __init__(
        self,
        name: str,
        process: Process,
        consumer: Any,
        options: Options,
        plugins: list[object],
        kind: Kind,
        acts: Acts,
    ) -> None:
        self.name = name
        self.consumer = consumer
        self._process = process
        self._shutdown = Shutdown(options.stop_timeout_ms / 1000)
        self.acts = acts
        found = Plugins([kind.executor, *plugins], {NO_AUTOLOAD_VARIABLE: "1"})
        self._engine = Engine(
            Client(consumer), found, options, self._shutdown, kind.handler(acts), process, kind.event_loop, kind.batch
        )
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
        self.acts.left()
        self.is_alive = False

    @property
    def is_stopping(self) -> bool:
        """Whether it got a SIGTERM."""
        return self._shutdown.is_requested

    def stop(self) -> None:
        """Send SIGTERM; the second one abandons."""
        self.acts.stop()
        self._shutdown.signalled()

    def kill(self) -> None:
        """Send SIGKILL, or end the process after run() has returned: handlers that still run are gone."""
        self._process.kill()
        self.is_alive = False

    def freeze(self, seconds: float) -> None:
        """Send SIGSTOP, and SIGCONT after *seconds*."""
        self.acts.freeze()
        self._process.freeze(seconds)
