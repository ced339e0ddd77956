"""The handlers of the integration tests, one class for each kind of executor.

They are values that can be pickled, made of names that can be imported, because some executors run them in other
processes. Their acts are in the history and nowhere else.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

from kafka_parallel import BatchFailed
from kafka_parallel.testing.history import History


@cache
def history_at(path: str, run: int) -> History:
    """The history that this process writes into for *run*."""
    return History(path, run)


@dataclass(frozen=True)
class Work:
    """A handler: it writes down that it began, takes its time, fails or not, and writes down how it ended.

    :ivar history: the path of the history.
    :ivar run: the process of the consumer, whose lanes are judged.
    :ivar longest_ms: most milliseconds a record takes; less than 0 = for ever.
    :ivar hangs: how likely a record takes for ever, from 0 to 1.
    :ivar hangs_at: the offset that takes for ever in each partition; -1 = none.
    :ivar fails_at: the offsets that fail.
    :ivar fails_every: every so-manieth offset fails; 0 = none.
    :ivar error: the error of a failing record.
    :ivar value_type: the type that every value must have.
    """

    history: str
    run: int
    longest_ms: float = 0.0
    hangs: float = 0.0
    hangs_at: int = -1
    fails_at: tuple[int, ...] = ()
    fails_every: int = 0
    error: BaseException | type[BaseException] = ValueError
    value_type: type = object

    def noting(self, record: Any) -> Any:
        return history_at(self.history, self.run).noting(record)

    def seconds(self) -> float:
        return (
            600.0 if self.longest_ms < 0 or random.random() < self.hangs else random.random() * self.longest_ms / 1000
        )

    def seconds_of(self, record: Any) -> float:
        return 600.0 if record.offset == self.hangs_at else self.seconds()

    def check(self, record: Any) -> None:
        if not isinstance(record.value, self.value_type):
            raise TypeError(record.value)
        if record.offset in self.fails_at or (self.fails_every and record.offset % self.fails_every == 0):
            raise self.error


class Plain(Work):
    """A function that blocks."""

    def __call__(self, record: Any) -> None:
        with self.noting(record):
            time.sleep(self.seconds_of(record))
            self.check(record)


class Coroutine(Work):
    """The same as ``async def``."""

    async def __call__(self, record: Any) -> None:
        with self.noting(record):
            await asyncio.sleep(self.seconds_of(record))
            self.check(record)


class PlainBatch(Work):
    """A function of many records, which does them one after the other."""

    def __call__(self, records: list[Any]) -> None:
        failed: dict[int, Exception] = {}
        for index, record in enumerate(records):
            try:
                with self.noting(record):
                    time.sleep(self.seconds() / len(records))
                    self.check(record)
            except Exception as error:
                failed[index] = error
        if failed:
            raise BatchFailed(failed)


class CoroutineBatch(PlainBatch):
    """The same as ``async def``; the function blocks, so it has a thread of its own."""

    async def __call__(self, records: list[Any]) -> None:  # type: ignore[override]
        await asyncio.to_thread(super().__call__, records)


HANDLERS: dict[str, type[Plain | Coroutine]] = {"thread-pool": Plain, "asyncio": Coroutine, "process-pool": Plain}
BATCH_HANDLERS = {"thread-pool": PlainBatch, "asyncio": CoroutineBatch, "process-pool": PlainBatch}
# The first has every case, the others those that depend on the executor.
EXECUTORS = list(HANDLERS)
OTHERS = EXECUTORS[1:]


def workers_of(executor: str) -> int:
    """Enough for a test; each process imports everything."""
    return 4 if executor == "process-pool" else 16


def handler(executor: str, history: History, *, is_batch: bool = False, **options: Any) -> Any:
    """Make a handler for *executor*, with the fields of `Work` as *options*."""
    kinds: dict[str, type[Any]] = BATCH_HANDLERS if is_batch else HANDLERS
    return kinds[executor](str(history.path), history.run, **options)
