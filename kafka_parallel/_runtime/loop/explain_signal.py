"""Logs why a run does not go on when a signal asks for it.

The thread of run() may be what is stuck, and a signal handler may interrupt it between two steps of anything. So the
handler only writes a byte into a pipe, and a thread that waits for it asks and logs.

Other code may install handlers meanwhile, and call ours from them even after the run: theirs stay, and ours then does
nothing of its own. A child that is forked meanwhile gives up its copy of the pipe, whose end is what ends the thread.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

from kafka_parallel._logs import area_logger

if TYPE_CHECKING:
    from kafka_parallel.explanations import Explanation

log = area_logger("run")

# The time that the end of a run waits for the thread, in seconds: it may be asking a worker process for its stack.
JOIN_TIMEOUT = 2.0

_open: set[ExplainSignal] = set()


def is_main_thread() -> bool:
    """Tell whether this is the thread on which Python lets signal handlers be installed."""
    return threading.current_thread() is threading.main_thread()


# see docs/decisions/0020-signals-set-flags.md
class ExplainSignal:
    """The signal for the time of one run(): a context manager that does nothing off the main thread.

    :param number: the signal; ``None`` = none.
    :param explain: asks the run.
    """

    def __init__(self, number: int | None, explain: Callable[[], Iterable[Explanation]]) -> None:
        self._number = number
        self._explain = explain
        self._previous: Any = None
        self._pipe: tuple[int, int] | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> ExplainSignal:
        if self._number is not None and is_main_thread():
            reader, writer = os.pipe()
            self._pipe = reader, writer
            _open.add(self)
            os.set_blocking(writer, False)
            self._thread = threading.Thread(
                target=self._answer, args=(reader,), name="kafka-parallel-explain", daemon=True
            )
            self._thread.start()
            self._previous = signal.signal(self._number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._pipe is None or self._number is None or self._thread is None:
            return
        if signal.getsignal(self._number) == self._handle:  # another one may call ours: it stays
            signal.signal(self._number, signal.SIG_DFL if self._previous is None else self._previous)
        writer, self._pipe = self._pipe[1], None  # before its number is another file's
        _open.discard(self)
        os.close(writer)
        self._thread.join(JOIN_TIMEOUT)

    def give_up_in_child(self) -> None:
        """Close the copy of the pipe that a forked child has: the thread, and the answers, are the parent's."""
        pipe, self._pipe = self._pipe, None
        for descriptor in pipe or ():
            os.close(descriptor)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Wake the thread, and call the user's own handler; a full pipe has asked often enough."""
        if self._pipe is not None:
            with suppress(BlockingIOError):
                os.write(self._pipe[1], b"?")
        if callable(self._previous):
            self._previous(number, frame)

    def _answer(self, asked: int) -> None:
        try:
            while os.read(asked, 4096):
                self._log()
        finally:
            os.close(asked)

    def _log(self) -> None:
        try:
            found = list(self._explain())
        except Exception:  # the application's key or executor may raise in it, and the next signal asks again
            log.exception("it cannot be explained why the run does not go on")
            return
        for number, reason in enumerate(found, start=1):
            log.warning("asked by a signal, %d of %d: %s", number, len(found), reason.sentence)


def _give_up_all() -> None:
    for found in list(_open):
        found.give_up_in_child()
    _open.clear()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_give_up_all)
