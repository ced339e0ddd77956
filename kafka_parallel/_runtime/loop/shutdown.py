"""The request to stop: its source, its urgency, and the signals that make it.

Everything here is a plain assignment: no lock, no logging, nothing that a signal handler could interrupt half-way and
then wait for. The loop looks at it several times a second.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Protocol

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Shutdown:
    """A request to stop.

    :param timeout: seconds that running records get, unless the request says otherwise.
    :param monotonic: reads the monotonic clock, in seconds.
    :ivar leave_by: when running records get no more time, counted from the request, in seconds of that clock; infinite
        while there is no reason to stop.
    :ivar requested_by: the first request's origin, for the log: a signal's name, or ``"stop()"``.
    """

    def __init__(self, timeout: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.timeout = timeout
        self._monotonic = monotonic
        self.leave_by = float("inf")
        self.is_requested = False
        self.requested_by = "nothing"
        self.is_abandoned = False

    def request(self, timeout: float | None = None, requested_by: str = "stop()") -> None:
        """Ask to stop; running records get *timeout* seconds."""
        if timeout is not None:
            self.timeout = timeout
        self._bound(anew=timeout is not None)
        if not self.is_requested:
            self.requested_by = requested_by
        self.is_requested = True

    def begin_leaving(self) -> float:
        """Count the time from now unless a request has begun it; return the seconds that running records still get."""
        self._bound(anew=False)
        return max(0.0, self.leave_by - self._monotonic())

    def _bound(self, *, anew: bool) -> None:
        """A second request does not lengthen the stop, unless it says how long it may take."""
        if anew or self.leave_by == float("inf"):
            self.leave_by = self._monotonic() + self.timeout

    def signalled(self, requested_by: str) -> None:
        """Ask to stop; the second time, not to wait for anything any more."""
        if self.is_requested:
            self.is_abandoned = True
        self.request(requested_by=requested_by)


class Signalled(Protocol):
    """Is told of signals: the request of one run, or those of several."""

    def signalled(self, requested_by: str) -> None:
        """Ask to stop; the second time, not to wait for anything any more."""


# see docs/decisions/0020-signals-set-flags.md
class Signals:
    """Signal handlers for the time of one run(): a context manager that does nothing off the main thread.

    An ignored signal stays ignored: a shell starts a background job so, and Ctrl-C is not meant for it.
    """

    def __init__(self, shutdown: Signalled) -> None:
        self._shutdown = shutdown
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                previous = signal.getsignal(number)
                if previous is not signal.SIG_IGN:
                    signal.signal(number, self._handler(previous))
                    self._previous[number] = previous
        return self

    def __exit__(self, *_: object) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, signal.SIG_DFL if previous is None else previous)
        self._previous.clear()

    def _handler(self, previous: Any) -> Callable[[int, FrameType | None], None]:
        """Stop, and call the user's own handler; Python's default for SIGINT would raise in the middle of the loop."""
        chained = previous if callable(previous) and previous is not signal.default_int_handler else None

        def handle(number: int, frame: FrameType | None) -> None:
            self._shutdown.signalled(signal.Signals(number).name)
            if chained is not None:
                chained(number, frame)

        return handle
