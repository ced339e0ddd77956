"""The part of the module ``threading`` that an executor uses, made of actors of a process of the simulated world."""

from __future__ import annotations

from collections.abc import Callable

from kafka_parallel.testing.simulation import process as processes
from kafka_parallel.testing.simulation.process import Process


class Threads:
    """Stands in for the module.

    :param process: the process that the threads run in.
    """

    def __init__(self, process: Process) -> None:
        self._process = process

    def Thread(self, *, target: Callable[[], None], name: str, daemon: bool) -> Thread:  # noqa: N802 - threading's name
        """Make a thread."""
        return Thread(self._process, target, name)

    def Semaphore(self, value: int) -> Semaphore:  # noqa: N802 - threading's name
        """Make a semaphore."""
        return Semaphore(self._process, value)

    def Event(self) -> Event:  # noqa: N802 - threading's name
        """Make an event."""
        return Event(self._process)


class Thread:
    """A thread that is not started yet."""

    def __init__(self, process: Process, target: Callable[[], None], name: str) -> None:
        self._process = process
        self._target = target
        self._name = name
        self._started: processes.Thread | None = None

    def start(self) -> None:
        """Start it."""
        self._started = self._process.start_thread(self._target, self._name)


class Semaphore:
    """A semaphore."""

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

    def wait(self, timeout: float) -> bool:
        """Wait for it, *timeout* seconds at most; tell whether it has happened."""
        with self._lock:
            if not self._has_happened:
                self._changed.wait(timeout)
            return self._has_happened
