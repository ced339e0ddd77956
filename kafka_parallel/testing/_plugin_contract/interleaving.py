"""Two threads in the code of a plugin: one is stopped at a chosen point, and the other runs past it.

That is the smallest thing that goes wrong with state that no lock guards. Each point between two instructions of the
plugin's code is tried, so an update that can be lost is lost, on every run of the test.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from kafka_parallel.testing._plugin_contract.plugin_under_test import PluginUnderTest, place_of

__all__: list[str] = []

# How long the thread that runs past gets before it is taken to wait for a lock of the other, in seconds.
BLOCKED = 0.03
# How long both get to end, in seconds: more than any hook takes.
LONGEST = 30.0


class Points:
    """The points between instructions of the plugin's code that one thread comes to.

    :param reached: is called with the number of each, and the place in the code.
    """

    def __init__(self, under_test: PluginUnderTest, reached: Callable[[int, FrameType], None]) -> None:
        self._under_test = under_test
        self._reached = reached
        self.count = 0

    def during(self, act: Callable[[], None]) -> None:
        """Call *act*, and report the points that it comes to."""
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            act()
        finally:
            sys.settrace(before)

    def _enter(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        if not self._under_test.owns(frame.f_code):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._step

    def _step(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "opcode":
            self._reached(self.count, frame)
            self.count += 1
        return self._step


class Pair:
    """Two threads that call a function each.

    :ivar place: where the first was stopped; empty if it never came to that point.
    :ivar errors: what the calls raised.
    """

    def __init__(self, under_test: PluginUnderTest, first: Callable[[], None], second: Callable[[], None]) -> None:
        self._under_test = under_test
        self._first = first
        self._second = second
        self._stopped, self._go_on = threading.Event(), threading.Event()
        self.place = ""
        self.errors: list[BaseException] = []

    def one_after_the_other(self) -> int:
        """Let both run to their ends; return how many points the first came to."""
        points = Points(self._under_test, lambda _number, _frame: None)
        for act in (lambda: points.during(self._first), self._second):
            _join(self._started(act))
        return points.count

    def stopped_at(self, point: int) -> None:
        """Stop the first at *point*, and let the second run meanwhile as far as it can."""

        def reached(number: int, frame: FrameType) -> None:
            if number == point:
                self.place = place_of(frame)
                self._stopped.set()
                self._go_on.wait(LONGEST)

        first = self._started(lambda: Points(self._under_test, reached).during(self._first))
        while not self._stopped.wait(0.001) and first.is_alive():
            pass
        second = self._started(self._second)
        second.join(BLOCKED)
        self._go_on.set()
        _join(first)
        _join(second)

    def _started(self, act: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                act()
            except BaseException as error:  # noqa: BLE001 - reported
                self.errors.append(error)

        thread = threading.Thread(target=run, name="contract-by-hand", daemon=True)
        thread.start()
        return thread


def _join(thread: threading.Thread) -> None:
    thread.join(LONGEST)
    if thread.is_alive():
        raise TimeoutError("two threads in hooks of the plugin wait for each other for ever: a lock is never released")
