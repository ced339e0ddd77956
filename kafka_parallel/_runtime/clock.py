"""Time, locks, conditions and threads: the seam that a simulation replaces."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol


class Thread(Protocol):
    """Something that was started."""

    def is_alive(self) -> bool:
        """Tell whether the thread still runs."""


class Clock(Protocol):
    """Two clocks, locks and conditions, and threads."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def wall(self) -> float:
        """Seconds since the Unix epoch."""

    def lock(self) -> Any:
        """Make a lock that its holder may take again: a ``threading.RLock``, or something like it.

        A signal handler runs on the main thread between any two steps of the code it interrupts. If that holds the
        lock, the handler would wait for itself.
        """

    def condition(self, lock: Any) -> Any:
        """Make a condition of *lock*, as in ``threading``."""

    def start_thread(self, act: Callable[[], None], name: str) -> Thread:
        """Run *act* on a daemon thread of its own."""


class Condition(threading.Condition):
    """A condition that may be waited for as long as anyone likes: a lock refuses to be waited for in 292 years."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until notified, *timeout* seconds at most."""
        return super().wait(None if timeout is None else min(timeout, threading.TIMEOUT_MAX))


def join(thread: threading.Thread, timeout: float | None) -> bool:
    """Wait *timeout* seconds for the end of *thread*, however many; tell whether it has come."""
    thread.join(None if timeout is None else min(timeout, threading.TIMEOUT_MAX))
    return not thread.is_alive()


# see docs/decisions/0064-clock-owns-all-waits.md
class SystemClock:
    """The clocks and the threads of this machine."""

    monotonic: Callable[[], float] = staticmethod(time.monotonic)
    wall: Callable[[], float] = staticmethod(time.time)
    lock: Callable[[], Any] = staticmethod(threading.RLock)
    condition: Callable[[Any], Any] = staticmethod(Condition)

    @staticmethod
    def start_thread(act: Callable[[], None], name: str) -> Thread:
        """Run *act* on a daemon thread of its own."""
        thread = threading.Thread(target=act, name=name, daemon=True)
        thread.start()
        return thread
