"""When a run's first handler began and its last one ended, and how many there were."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from operator import attrgetter
from typing import Any

VALUE: Callable[[Any], bytes] = attrgetter("value")


class Stopwatch:
    """Wraps a handler of a value, and makes it one of a record; costs one counter step per record.

    :param records: how many records to wait for.
    :param done: called once, when the last one has ended.
    :param value: from a record, as this client has it, to its value.
    """

    def __init__(self, records: int, done: Callable[[], object], value: Callable[[Any], bytes] = VALUE) -> None:
        self._records = records
        self._done = done
        self._value = value
        self._starts = itertools.count(1)
        self._ends = itertools.count(1)
        self.began = 0.0
        self.ended = 0.0

    def timing(self, handle: Callable[[bytes], object] | None) -> Callable[[Any], None]:
        """Return *handle* with a stopwatch around all its calls together; ``None`` is a handler that does nothing."""
        starts, ends, records, value = self._starts, self._ends, self._records, self._value

        def timed(record: Any) -> None:
            if next(starts) == 1:
                self.began = time.perf_counter()
            if handle is not None:
                handle(value(record))
            if next(ends) == records:
                self._end()

        return timed

    def timing_async(self, handle: Callable[[bytes], Awaitable[object]] | None) -> Callable[[Any], Awaitable[None]]:
        """Do the same with an ``async def`` handler."""
        starts, ends, records, value = self._starts, self._ends, self._records, self._value

        async def timed(record: Any) -> None:
            if next(starts) == 1:
                self.began = time.perf_counter()
            if handle is not None:
                await handle(value(record))
            if next(ends) == records:
                self._end()

        return timed

    def timing_batches(self) -> Callable[[Sequence[Any]], None]:
        """Return a handler of batches that does nothing; a lock per batch, for a batch has any number of records."""
        lock, handled = threading.Lock(), 0

        def timed(records: Sequence[Any]) -> None:
            nonlocal handled
            now = time.perf_counter()
            with lock:
                before, handled = handled, handled + len(records)
                self.began = self.began or now
            if before < self._records <= before + len(records):
                self._end()

        return timed

    def _end(self) -> None:
        self.ended = time.perf_counter()
        self._done()

    @property
    def seconds(self) -> float:
        """From the first start to the last end.

        :raises RuntimeError: if not all records were handled.
        """
        if not self.ended:
            raise RuntimeError(f"not all {self._records} records were handled")
        return self.ended - self.began
