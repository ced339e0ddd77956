"""Questions of a fake consumer that are on their way, and how their answers reach it, in 2.x and in 3.x.

In 2.x sending is a function that returns a future, and the client reads the answer in ``poll()``. In 3.x it is a
coroutine, which the client's own thread runs: a manager makes a future of it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from kafka.future import Future

from kafka_parallel.testing.fake.clock import Timeline
from kafka_parallel.testing.fake.commits import AnswerLostError

__all__ = ()

# The time that a question takes to the broker and its answer back, in seconds.
QUESTION_TIME = 0.005


class Questions:
    """The questions of one consumer; stands also for the manager of 3.x.

    :ivar has_io_thread: whether answers are read by themselves (3.x).
    """

    def __init__(self, clock: Timeline, *, has_io_thread: bool) -> None:
        self._clock = clock
        self.has_io_thread = has_io_thread
        self._unread: list[Callable[[], Any]] = []

    def call_soon(self, function: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any) -> Future:
        """Run a coroutine function that waits for nothing, on the client's own thread."""
        return self.ask(lambda: _result_of(function(*arguments)))

    def ask(self, answer: Callable[..., Any], *arguments: Any) -> Future:
        """Let the broker *answer*, or raise its error."""
        future = Future()

        def travel() -> None:
            self._clock.sleep(QUESTION_TIME)
            try:
                value = answer(*arguments)
            except AnswerLostError:
                return
            except Exception as raised:  # noqa: BLE001 - whatever the test wants the answer to be
                self._unread.append(partial(future.failure, raised))
            else:
                self._unread.append(partial(future.success, value))
            if self.has_io_thread:
                self.read()

        self._clock.start_thread(travel, "fake-kafka-broker")
        return future

    def read(self) -> None:
        """Read the answers that have come."""
        while self._unread:
            self._unread.pop(0)()


def _result_of(coroutine: Coroutine[Any, Any, Any]) -> Any:
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError("the coroutine waits for something, and nothing here drives it on")
