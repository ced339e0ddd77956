"""What time it is, and how to wait: the seam that tests replace."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks and a way to wait on a condition."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def wall(self) -> float:
        """Seconds since the Unix epoch."""

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        """Wait until *condition* (whose lock is held) is notified, *timeout* seconds at most; may return early."""


class SystemClock:
    """The clocks of this machine."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)

    @staticmethod
    def wait(condition: threading.Condition, timeout: float | None) -> None:
        """Wait until *condition* is notified, *timeout* seconds at most."""
        condition.wait(timeout)
