"""The outages of Redis: after a failure nothing asks it for some seconds, and then one thread asks first.

A question to a Redis that is away takes as long as the client waits. If each record asked, an outage would nearly stop
the consumer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

__all__ = ()

# Seconds without a question after a failure.
PAUSE = 5.0


class Outages:
    """Notes failures and answers. Any thread may call it.

    :param clock: monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._ask_at: float | None = None  # None: it answers

    def may_ask(self) -> bool:
        """Tell whether the caller is to ask; in an outage one in `PAUSE` seconds is, and the others go on without."""
        with self._lock:
            if self._ask_at is None:
                return True
            now = self._clock()
            if now < self._ask_at:
                return False
            self._ask_at = now + PAUSE
            return True

    def began(self) -> bool:
        """Note that Redis failed, which begins a pause of `PAUSE` seconds; tell whether it begins an outage, too."""
        with self._lock:
            is_first = self._ask_at is None
            self._ask_at = self._clock() + PAUSE
            return is_first

    def ended(self) -> bool:
        """Note that Redis answered; tell whether it is the first answer after an outage. Any thread may ask again."""
        with self._lock:
            was_away = self._ask_at is not None
            self._ask_at = None
            return was_away


def error_of(question: Callable[[], object], timeout: float) -> Exception | None:
    """Ask on a thread; return the error, also for no answer within *timeout* seconds, or ``None`` for an answer.

    :param question: may wait for longer; its thread does not keep the process.
    """
    errors: SimpleQueue[Exception | None] = SimpleQueue()

    def ask() -> None:
        try:
            question()
        except Exception as error:  # noqa: BLE001 - whatever it is, there is no answer
            errors.put(error)
        else:
            errors.put(None)

    threading.Thread(target=ask, name="kafka-parallel-dedup-ping", daemon=True).start()
    try:
        return errors.get(timeout=timeout)
    except Empty:
        return TimeoutError(f"no answer within {timeout:g} s")
