"""Recorders in which worker threads put their measurements without waiting for each other.

Every thread has a recorder of its own for each topic, and only that thread writes to it; a snapshot adds them up.
So there is no lock per record, and no lost count on a free-threaded build either, where two threads that increment
one number would lose some. Recorders are kept by thread id: a new thread that gets the id of one that ended
goes on with its recorder.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import get_ident
from typing import TYPE_CHECKING

from kafka_parallel.errors import FATAL
from kafka_parallel_plugins.timing_metrics.buckets import Buckets

if TYPE_CHECKING:
    from kafka_parallel import Handled

__all__ = ()


class Recorder:
    """The measurements of one thread on one topic."""

    __slots__ = ("end_to_end", "failed", "halted", "handler", "queue", "retried", "skipped")

    def __init__(self) -> None:
        self.queue = Buckets()
        self.handler = Buckets()
        self.end_to_end = Buckets()
        self.failed = 0
        self.retried = 0
        self.skipped = 0
        self.halted = 0

    def add_all(self, handled: Sequence[Handled], since_epoch: float) -> None:
        """Count attempts at records of the topic; interrupted ones are left out.

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


class Recorders:
    """All recorders. Any thread may call every method."""

    def __init__(self) -> None:
        self._recorders: dict[tuple[int, str], Recorder] = {}

    def mine(self, topic: str) -> Recorder:
        """Return the calling thread's recorder for *topic*."""
        key = get_ident(), topic
        try:
            return self._recorders[key]
        except KeyError:
            return self._recorders.setdefault(key, Recorder())

    def by_topic(self) -> dict[str, list[Recorder]]:
        """Return the recorders of all threads for each topic, topics in alphabetical order."""
        found: dict[str, list[Recorder]] = {}
        for (_, topic), recorder in sorted(self._recorders.copy().items(), key=lambda item: item[0][1]):
            found.setdefault(topic, []).append(recorder)
        return found
