"""Recorders in which worker threads put their measurements without waiting for each other.

Every thread has a recorder of its own for each topic, and only that thread writes to it; a snapshot adds them up.
So there is no lock per record, and no lost count on a free-threaded build either, where two threads that increment
one number would lose some. Recorders are kept by thread id: a new thread that gets the id of one that ended
goes on with its recorder.

A recorder has a period for each of the last seconds, so that the last minute can be told from all that was before: the
oldest period is added to the one that holds everything older.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import get_ident
from typing import TYPE_CHECKING

from kafka_parallel.errors import FATAL
from kafka_parallel_plugins.timing_metrics.buckets import Buckets
from kafka_parallel_plugins.timing_metrics.time_takers import Ticks, TimeTakers, sample

if TYPE_CHECKING:
    from kafka_parallel import Handled

__all__ = ()

# Seconds of one period.
PERIOD = 10
# How many whole periods the last minute has, beside the one that goes on.
PERIODS = 6
OUTCOMES = ("failed", "retried", "skipped", "halted")


class Period:
    """The measurements of one thread on one topic, in some seconds.

    :param number: which seconds: those from *number* x `PERIOD` on.
    """

    __slots__ = ("end_to_end", "failed", "halted", "handler", "number", "queue", "retried", "skipped", "takers")

    def __init__(self, number: float) -> None:
        self.number = number
        self.queue = Buckets()
        self.handler = Buckets()
        self.end_to_end = Buckets()
        self.takers = TimeTakers()
        self.failed = 0
        self.retried = 0
        self.skipped = 0
        self.halted = 0

    def add_all(self, handled: Sequence[Handled], since_epoch: float) -> Sequence[float]:
        """Count attempts at records of the topic; interrupted ones are left out. Return how long they took.

        :param since_epoch: seconds from the Unix epoch to the zero of the clock that the attempts were timed with.
        """
        queue: list[float] = []
        handler: list[float] = []
        end_to_end: list[float] = []
        failed = 0
        for record, attempt, queued_at, started, ended, error in handled:
            if error is None:
                if (timestamp := record.timestamp) is not None and timestamp >= 0:
                    end_to_end.append(ended + since_epoch - timestamp / 1000)  # by 1000: faster than * 0.001
            elif not isinstance(error, FATAL):
                failed += 1
            else:
                continue
            if attempt == 1:
                queue.append(started - queued_at)
            handler.append(ended - started)
        self.queue.add_all(queue)
        self.handler.add_all(handler)
        self.end_to_end.add_all(end_to_end)
        self.failed += failed
        return handler


def _together(older: Period, newer: Period) -> Period:
    """Add up two periods, without the keys and partitions."""
    made = Period(older.number)
    made.queue = Buckets.merged((older.queue, newer.queue))
    made.handler = Buckets.merged((older.handler, newer.handler))
    made.end_to_end = Buckets.merged((older.end_to_end, newer.end_to_end))
    for name in OUTCOMES:
        setattr(made, name, getattr(older, name) + getattr(newer, name))
    return made


class Recorder:
    """The measurements of one thread on one topic: that thread writes, any other may read meanwhile.

    :param with_keys: whether keys are kept as they are, or only their hash.
    :ivar periods: all before the last minute in one, then those of the last minute, the oldest first. It is replaced as
        a whole, so that a reader finds each attempt in one period.
    """

    __slots__ = ("_ticks", "_with_keys", "periods")

    def __init__(self, *, with_keys: bool) -> None:
        self._with_keys = with_keys
        self._ticks = Ticks()
        self.periods: tuple[Period, ...] = (Period(float("-inf")),)

    def period(self, number: float) -> Period:
        """Return the period to write to, the one of *number* or a later one."""
        if self.periods[-1].number < number:
            self._begin(number)
        return self.periods[-1]

    def _begin(self, number: float) -> None:
        before, *recent = self.periods
        while recent and recent[0].number < number - PERIODS:
            before = _together(before, recent.pop(0))
        self.periods = (before, *recent, Period(number))

    def add_all(
        self, handled: Sequence[Handled], since_epoch: float, number: float, batches: Mapping[float, int] | None
    ) -> None:
        """Count attempts in the period *number*, and sample the partitions and keys that took the time."""
        period = self.period(number)
        durations = period.add_all(handled, since_epoch)
        if batches is not None or not self._ticks.skips(sum(durations)):
            sample(handled, batches, self._ticks, period.takers, with_keys=self._with_keys)


class Recorders:
    """All recorders. Any thread may call every method.

    :param with_keys: whether keys are kept as they are, or only their hash.
    """

    def __init__(self, *, with_keys: bool = False) -> None:
        self._with_keys = with_keys
        self._recorders: dict[tuple[int, str], Recorder] = {}

    def mine(self, topic: str) -> Recorder:
        """Return the calling thread's recorder for *topic*."""
        key = get_ident(), topic
        try:
            return self._recorders[key]
        except KeyError:
            return self._recorders.setdefault(key, Recorder(with_keys=self._with_keys))

    def by_topic(self) -> dict[str, list[Period]]:
        """Return the periods of all threads for each topic, topics in alphabetical order."""
        found: dict[str, list[Period]] = {}
        for (_, topic), recorder in sorted(self._recorders.copy().items(), key=lambda item: item[0][1]):
            found.setdefault(topic, []).extend(recorder.periods)
        return found
