"""The time in a test.

`ManualClock` stands still until the test moves it or waits on it; `ThreadClock` is the machine's. Both are a
``kafka_parallel._runtime.clock.Clock`` that can also sleep.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from kafka_parallel._runtime.clock import Clock, SystemClock

__all__ = ["ManualClock", "ThreadClock", "Timeline"]


class Timeline(Clock, Protocol):
    """The clock of a run that a fake consumer also waits on: its polls and commits take time by it."""

    def sleep(self, seconds: float) -> None:
        """Return when *seconds* have passed by this clock."""


class ThreadClock(SystemClock):
    """The clocks and the threads of this machine: for tests that run the real thing in real threads."""

    sleep: Callable[[float], None] = staticmethod(time.sleep)


class ManualClock:
    """A clock that only moves when it is told to, or during a wait. For one thread.

    Nothing else acts during a wait: a wait on a condition just lets its time pass, and a thread that is started runs to
    its end at once.

    :param now: its first time, in seconds.
    """

    def __init__(self, now: float = 0.0) -> None:
        self.now: float = now

    def monotonic(self) -> float:
        """Seconds: ``now``, which only `advance` and the waits of the code under test change."""
        return self.now

    def wall(self) -> float:
        """Seconds since the Unix epoch: in November 2023, and then as many as `monotonic` has."""
        return 1_700_000_000 + self.now

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass.

        :raises ValueError: if *seconds* is negative: time does not go back.
        """
        if seconds < 0:
            raise ValueError(f"time does not go back: advance({seconds})")
        self.now += seconds

    sleep = advance

    def lock(self) -> Any:
        """Make a real lock that its holder may take again: a ``threading.RLock``."""
        return threading.RLock()

    def condition(self, lock: Any) -> Any:
        """Make a condition whose waits let time pass."""
        return _LonelyCondition(self)

    def start_thread(self, act: Callable[[], None], name: str) -> _Ended:
        """Run *act*; hand back a thread that has ended."""
        act()
        return _Ended()


class _Ended:
    """A thread that has ended."""

    @staticmethod
    def is_alive() -> bool:
        """Return false: the thread was never started."""
        return False


class _LonelyCondition:
    """A condition that no other thread will ever notify."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        """Let *timeout* seconds pass.

        :raises RuntimeError: without a timeout: it would wait for ever.
        """
        if timeout is None:
            raise RuntimeError("a wait without a timeout on a ManualClock never ends: no other thread can act")
        self._clock.advance(timeout)
        return False

    def notify(self, n: int = 1) -> None:
        """Do nothing: no thread waits."""

    def notify_all(self) -> None:
        """Do nothing: no thread waits."""
