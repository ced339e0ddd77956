"""A signal handler of the application that raises: Python runs it between any two steps of the main thread.

Here that is the entry of a function of the library, by lot: counted from the end of a poll on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from greenlet import getcurrent

LIBRARY = str(Path(__file__).parents[2])
FAKES = str(Path(__file__).parents[1])


class SignalRaised(SystemExit):
    """Ends the program, from the application's signal handler."""


class Interruption:
    """Raises once.

    :param steps: how many functions of the library the main thread enters before, after a poll.
    :param raises: is called before it raises.
    """

    def __init__(self, steps: int, raises: Callable[[], object]) -> None:
        self._steps = steps
        self._actor: Any = None
        self._raises = raises

    def begin(self) -> None:
        """Begin to count, on the thread that polls."""
        if self._actor is None:
            self._actor = getcurrent()
            sys.settrace(self._enter)

    def _enter(self, frame: FrameType, event: str, _: Any) -> None:
        name = frame.f_code.co_filename
        if event != "call" or not name.startswith(LIBRARY) or name.startswith(FAKES):
            return
        if getcurrent() is self._actor:
            self._steps -= 1
        if self._steps < 0:
            sys.settrace(None)
            self._raises()
            raise SignalRaised


@contextmanager
def own_tracing() -> Iterator[None]:
    """Leave tracing as it was."""
    before = sys.gettrace()
    try:
        yield
    finally:
        sys.settrace(before)
