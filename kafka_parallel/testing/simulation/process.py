"""A process of the simulated world: the world's clock, and threads that are killed or frozen together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from greenlet import getcurrent, greenlet

from kafka_parallel.testing.simulation.world import Condition, Lock, World


class Process:
    """A clock as ``kafka_parallel._runtime.clock.Clock`` has it, that knows whom it gave threads to."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._actors: list[greenlet] = []
        self.monotonic: Callable[[], float] = world.monotonic
        self.wall: Callable[[], float] = world.wall
        self.sleep: Callable[[float], None] = world.sleep

    def lock(self) -> Lock:
        """Make a lock."""
        return self._world.lock()

    def condition(self, lock: Lock) -> Condition:
        """Make a condition of *lock*."""
        return self._world.condition(lock)

    def start_main(self, act: Callable[[], Any]) -> Thread:
        """Run *act* in the main thread, which polls: a poll may end later than it was to."""
        return self._start(act, is_unhurried=True)

    def start_thread(self, act: Callable[[], Any], name: str) -> Thread:
        """Run *act* as an actor of its own."""
        return self._start(act, is_unhurried=False)

    def _start(self, act: Callable[[], Any], *, is_unhurried: bool) -> Thread:
        thread = Thread()

        def run() -> None:
            act()
            thread.has_ended = True

        self._actors.append(self._world.spawn(run, is_unhurried=is_unhurried))
        return thread

    @property
    def acts_now(self) -> bool:
        """Tell whether it is one of its threads that runs now."""
        return getcurrent() in self._actors

    def kill(self) -> None:
        """Let none of its threads ever act again."""
        for actor in self._actors:
            self._world.forget(actor)

    def freeze(self, seconds: float) -> None:
        """Let none of its threads act for *seconds* (SIGSTOP, then SIGCONT)."""
        for actor in self._actors:
            self._world.freeze(actor, self._world.now + seconds)


class Thread:
    """A thread of a process."""

    def __init__(self) -> None:
        self.has_ended = False

    def is_alive(self) -> bool:
        """Tell whether it still runs."""
        return not self.has_ended
