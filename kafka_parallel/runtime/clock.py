"""What time it is, what threads wait on, and how one starts: the seam that a simulation replaces."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol


class Thread(Protocol):
    """Something that was started."""

    def is_alive(self) -> bool:
        """Tell whether it still runs."""


class Clock(Protocol):
    """Two clocks, what to wait on, and threads."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def wall(self) -> float:
        """Seconds since the Unix epoch."""

    def lock(self) -> Any:
        """Make a lock: what ``threading.Lock`` makes, or something that behaves like it."""

    def condition(self, lock: Any) -> Any:
        """Make a condition of *lock*, as in ``threading``."""

    def start_thread(self, act: Callable[[], None], name: str) -> Thread:
        """Run *act* on a daemon thread of its own."""


class SystemClock:
    """The clocks and the threads of this machine."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
    lock = staticmethod(threading.Lock)
    condition = staticmethod(threading.Condition)

    @staticmethod
    def start_thread(act: Callable[[], None], name: str) -> Thread:
        """Run *act* on a daemon thread of its own."""
        thread = threading.Thread(target=act, name=name, daemon=True)
        thread.start()
        return thread
