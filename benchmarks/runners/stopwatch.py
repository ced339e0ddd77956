"""When a run's first handler began and its last one ended, and how many there were."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any


class Stopwatch:
    """Wraps a handler; costs one counter step per record.

    :param records: how many records to wait for.
    :param done: called once, when the last one has ended.
    """

    def __init__(self, records: int, done: Callable[[], None]) -> None:
        self._records = records
        self._done = done
        self._starts = itertools.count(1)
        self._ends = itertools.count(1)
        self.began = 0.0
        self.ended = 0.0

    def timing(self, handle: Callable[[Any], Any] | None) -> Callable[[Any], None]:
        """Return *handle* with a stopwatch around all its calls together; ``None`` is a handler that does nothing."""
        starts, ends, records = self._starts, self._ends, self._records

        def timed(record: Any) -> None:
            if next(starts) == 1 and not self.began:
                self.began = time.perf_counter()
            if handle is not None:
                handle(record)
            if next(ends) == records:
                self.ended = time.perf_counter()
                self._done()

        return timed

    def beginning(self) -> Callable[[], None]:
        """Return what notes the first start, for a handler that only calls the timed one at its end."""

        def note() -> None:
            self.began = self.began or time.perf_counter()

        return note

    @property
    def seconds(self) -> float:
        """From the first start to the last end.

        :raises RuntimeError: if not all records were handled.
        """
        if not self.ended:
            raise RuntimeError(f"not all {self._records} records were handled")
        return self.ended - self.began
