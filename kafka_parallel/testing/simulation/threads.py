"""The part of the module ``threading`` that an executor uses, made of actors of a process of the simulated world."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from greenlet import getcurrent

from kafka_parallel.testing.simulation import process as processes
from kafka_parallel.testing.simulation.process import Process

# The interval, in seconds, at which a thread is looked at whose end is waited for.
LOOK_EVERY = 0.01


class Threads:
    """Stands in for the module.

    :param process: the process that the threads run in.
    """

    def __init__(self, process: Process) -> None:
        self._process = process

    def Thread(  # noqa: N802 - threading's name
        self, *, target: Callable[..., None], args: tuple[Any, ...] = (), name: str, daemon: bool
    ) -> Thread:
        """Make a thread."""
        return Thread(self._process, lambda: target(*args), name)

    def Lock(self) -> Semaphore:  # noqa: N802 - threading's name
        """Make a lock, which may be held while its thread waits."""
        return Semaphore(self._process, 1)

    def get_ident(self) -> int:
        """The number of the thread that runs now."""
        return id(getcurrent())

    def Semaphore(self, value: int) -> Semaphore:  # noqa: N802 - threading's name
        """Make a semaphore."""
        return Semaphore(self._process, value)

    def Event(self) -> Event:  # noqa: N802 - threading's name
        """Make an event."""
        return Event(self._process)


class Thread:
    """A thread.

    :ivar name: its name.
    :ivar ident: its number; ``None`` before it runs.
    """

    def __init__(self, process: Process, target: Callable[[], None], name: str) -> None:
        self._process = process
        self._target = target
        self.name = name
        self.ident: int | None = None
        self._started: processes.Thread | None = None

    def start(self) -> None:
        """Start it."""

        def run() -> None:
            self.ident = id(getcurrent())
            self._target()

        self._started = self._process.start_thread(run, self.name)

    def is_alive(self) -> bool:
        """Tell whether it was started and still runs."""
        return self._started is not None and self._started.is_alive()

    def join(self, timeout: float) -> None:
        """Wait for its end, *timeout* seconds at most."""
        deadline = self._process.monotonic() + timeout
        while self.is_alive() and self._process.monotonic() < deadline:
            self._process.sleep(LOOK_EVERY)


class Semaphore:
    """A semaphore; with the value 1 a lock."""

    def __init__(self, process: Process, value: int) -> None:
        self._value = value
        self._lock = process.lock()
        self._released = process.condition(self._lock)

    def acquire(self) -> None:
        """Wait for one, and take it."""
        with self._lock:
            while self._value == 0:
                self._released.wait()
            self._value -= 1

    def release(self) -> None:
        """Give one back."""
        with self._lock:
            self._value += 1
            self._released.notify()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class Event:
    """An event that happens once."""

    def __init__(self, process: Process) -> None:
        self._has_happened = False
        self._lock = process.lock()
        self._changed = process.condition(self._lock)

    def is_set(self) -> bool:
        """Tell whether it has happened."""
        return self._has_happened

    def set(self) -> None:
        """Let it happen."""
        with self._lock:
            self._has_happened = True
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for it, *timeout* seconds at most; tell whether it has happened."""
        with self._lock:
            if not self._has_happened:
                self._changed.wait(timeout)
            return self._has_happened
