"""What time it is, and what threads wait on: the seam that a simulation replaces."""

from __future__ import annotations

import threading
import time
from typing import Any, Protocol


class Clock(Protocol):
    """Two clocks, and what to wait on."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def wall(self) -> float:
        """Seconds since the Unix epoch."""

    def lock(self) -> Any:
        """Make a lock: what ``threading.Lock`` makes, or something that behaves like it."""

    def condition(self, lock: Any) -> Any:
        """Make a condition of *lock*, as in ``threading``."""


class SystemClock:
    """The clocks and the threads of this machine."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
    lock = staticmethod(threading.Lock)
    condition = staticmethod(threading.Condition)
