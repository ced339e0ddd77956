"""Where worker threads put what they measure without waiting for each other.

Every thread has a recorder of its own for each topic, and only that thread writes to it; a snapshot adds them up.
So there is no lock per record, and no lost count on a free-threaded build either, where two threads that increment
one number would lose some. Recorders are kept by thread id: a new thread that gets the id of one that ended
goes on with its recorder.
"""

from __future__ import annotations

from threading import get_ident

from kafka_parallel_plugins.timing_metrics.buckets import Buckets


class Recorder:
    """What one thread measured on one topic."""

    __slots__ = ("end_to_end", "failed", "halted", "handler", "queue", "retried", "skipped")

    def __init__(self) -> None:
        self.queue = Buckets()
        self.handler = Buckets()
        self.end_to_end = Buckets()
        self.failed = 0
        self.retried = 0
        self.skipped = 0
        self.halted = 0


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
