"""The thread on which a rebalance listener is called, and the client's work meanwhile.

kafka-python 2.x calls it inside ``poll()``, on the caller's thread, while another thread sends heartbeats. 3.x calls it
on its I/O thread, and ``poll()`` waits; heartbeats come from that same thread, so they stop while a plain function
blocks it, and go on while a coroutine sleeps.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Generator
from typing import Any

from kafka_parallel.testing.fake.clock import Timeline

__all__ = ()

# The interval at which poll() checks whether the I/O thread is done, in seconds.
TICK = 0.02


class InPoll:
    """The way of 2.x."""

    def call(self, function: Callable[..., Any], partitions: Any, beat: Callable[[], None]) -> None:
        """Call *function*; another thread sends heartbeats."""
        function(partitions)

    @property
    def is_io_thread(self) -> bool:
        """Tell whether the caller may not block: never."""
        return False


class OnIoThread:
    """The way of 3.x. It also stands for ``consumer._net``: coroutines wait with its ``sleep``."""

    def __init__(self, clock: Timeline) -> None:
        self._clock = clock
        self._running: int | None = None

    def call(self, function: Callable[..., Any], partitions: Any, beat: Callable[[], None]) -> None:
        """Call *function* on the I/O thread and wait for its end.

        :param beat: sends a heartbeat.
        :raises Exception: the error of *function*.
        """
        errors: list[BaseException] = []

        def run() -> None:
            try:
                self._drive(function, partitions, beat)
            except BaseException as error:  # noqa: BLE001 - raised again by poll()
                errors.append(error)

        thread = self._clock.start_thread(run, "fake-kafka-io")
        while thread.is_alive():
            self._clock.sleep(TICK)
        if errors:
            raise errors[0]

    def _drive(self, function: Callable[..., Any], partitions: Any, beat: Callable[[], None]) -> None:
        if not inspect.iscoroutinefunction(function):
            beat()  # and no other while it blocks the thread
            self._step(lambda: function(partitions))
            return
        coroutine = function(partitions)
        while True:
            beat()
            try:
                seconds = self._step(lambda: coroutine.send(None))
            except StopIteration:
                return
            self._clock.sleep(seconds)

    def _step(self, act: Callable[[], Any]) -> Any:
        """Do *act* as the I/O thread."""
        self._running = threading.get_ident()
        try:
            return act()
        finally:
            self._running = None

    @property
    def is_io_thread(self) -> bool:
        """Tell whether the caller is the I/O thread, which may not wait for itself."""
        return self._running == threading.get_ident()

    @staticmethod
    def run(function: Callable[..., Any], *arguments: Any) -> Any:
        """Call *function*: while it does not wait, it does not matter on which thread."""
        return function(*arguments)

    @staticmethod
    def sleep(seconds: float) -> Any:
        """Return an awaitable that lets *seconds* pass."""
        return _Sleep(seconds)


class _Sleep:
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __await__(self) -> Generator[float, None, None]:
        yield self._seconds
