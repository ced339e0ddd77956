"""One start of the simulated application: the real engine on a fake consumer, with actors for its threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from greenlet import GreenletExit, getcurrent
from kafka import TopicPartition

from kafka_parallel._options import Options
from kafka_parallel._plugins.manager import NO_AUTOLOAD_VARIABLE, Plugins
from kafka_parallel._runtime.client.consumer_adapter import Client
from kafka_parallel._runtime.loop.assembly import Parts
from kafka_parallel._runtime.loop.engine import Engine
from kafka_parallel._runtime.loop.shutdown import Shutdown
from kafka_parallel.facts import PartitionProgress
from kafka_parallel.testing.simulation.acts import Acts
from kafka_parallel.testing.simulation.bounds import watch_bounds
from kafka_parallel.testing.simulation.checker import Violation
from kafka_parallel.testing.simulation.kinds import Kind
from kafka_parallel.testing.simulation.limits import LimitJudge
from kafka_parallel.testing.simulation.process import Process
from kafka_parallel.testing.simulation.refusal import Refusal

# The time that a consumer that has to stop may take, with answers that come late: in seconds.
LONGEST_END = 200.0


class Instance:
    """One start of the application.

    :param name: its name for the checker.
    :param process: the process it runs in, and gets its time from.
    :param consumer: its fake consumer.
    :param plugins: plugins, without an executor.
    :param kind: how its handlers are run.
    :param acts: the behaviour of its handlers.
    :param judge: tells whether the limit of dead letters stopped it.
    :param refusal: a start that is refused before the real one.
    :ivar acts: the behaviour of its handlers.
    :ivar error: the error of run().
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
        judge: LimitJudge | None,
        refusal: Refusal | None = None,
    ) -> None:
        self.name = name
        self.consumer = consumer
        self._process = process
        self._shutdown = Shutdown(options.stop_timeout_ms / 1000, process.monotonic)
        self.acts = acts
        self._judge = judge
        self._was_killed = False
        found = Plugins([kind.executor, *plugins], {NO_AUTOLOAD_VARIABLE: "1"})
        parts = Parts(
            Client(consumer), found, options, self._shutdown, kind.handler(acts), process, kind.event_loop, kind.batch
        )
        self._engine = Engine(parts)
        self.is_alive = True
        self.error: BaseException | None = None
        self._refusal = refusal
        process.start_main(self._run)

    def _run(self) -> None:
        try:
            if self._refusal is not None:
                self._refusal.happen(self.consumer, self._process)
            self._engine.run_until_over()
        except GreenletExit:
            raise
        except BaseException as error:  # noqa: BLE001 - what the process would have died of
            self.error = error
        self.acts.left()
        self.is_alive = False

    def ask(self) -> None:
        """Ask for statistics, if a thread of this instance asks: code of the user may, wherever it is called."""
        if not (self.is_alive and self._process.acts_now):
            return
        if self._engine._scheduler._lock.holder is getcurrent():  # noqa: SLF001 - the one lock there is
            raise Violation("code of the user runs under the lock")
        self._engine.facts.statistics()

    def progress(self) -> Mapping[TopicPartition, PartitionProgress]:
        """How far its partitions are, as it says; nothing before it runs and on its way out."""
        return self._engine.facts.progress() if self._engine.state.state == "running" else {}

    def watch_bounds(self, violate: Callable[[str], object]) -> None:
        """Call *violate* if more is handed out than plugins let be in flight."""
        watch_bounds(self._engine._scheduler._scheduler, violate)  # noqa: SLF001 - where it is decided

    @property
    def is_stopping(self) -> bool:
        """True once it got a SIGTERM."""
        return self._shutdown.is_requested

    def is_broken(self, now: float) -> bool:
        """Tell whether the limit of dead letters stopped it, and it ends well or goes on all the same."""
        if self._judge is None or self._judge.halted_at is None or self.is_stopping or self._was_killed:
            return False
        return self.error is None if not self.is_alive else now - self._judge.halted_at > LONGEST_END

    @property
    def is_halted(self) -> bool:
        """True once the limit of dead letters stopped it."""
        return self._judge is not None and self._judge.halted_at is not None

    def stop(self) -> None:
        """Send SIGTERM; the second one abandons."""
        self.acts.stop()
        self._shutdown.signalled("a signal")

    def kill(self) -> None:
        """Send SIGKILL, or end the process after run() has returned: handlers that still run are gone."""
        self._process.kill()
        self._was_killed = self._was_killed or self.is_alive
        self.is_alive = False

    def freeze(self, seconds: float) -> None:
        """Send SIGSTOP, and SIGCONT after *seconds*."""
        self.acts.freeze()
        self._process.freeze(seconds)
