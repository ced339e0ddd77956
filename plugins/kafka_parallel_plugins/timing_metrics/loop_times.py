"""The time of runs, and the loop's in commits and under back-pressure: rare events, so one lock is enough."""

from __future__ import annotations

from collections.abc import Collection
from threading import Lock
from typing import TYPE_CHECKING

from kafka_parallel_plugins.timing_metrics.buckets import Buckets
from kafka_parallel_plugins.timing_metrics.snapshot import CommitTimings, distribution

if TYPE_CHECKING:
    from kafka import TopicPartition

    from kafka_parallel.facts import Facts, RunningRecord

__all__ = ()


class RunTime:
    """When consumers began and ended to run; usually there is one. Any thread may call every method."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._facts: list[Facts] = []
        self._since: float | None = None
        self._until: float | None = None

    def note_start(self, facts: Facts, now: float) -> None:
        """Note that the consumer of *facts* runs from *now* on."""
        with self._lock:
            self._facts.append(facts)
            self._since = now if self._since is None else self._since
            self._until = None

    def note_stop(self, facts: Facts, now: float) -> None:
        """Note that the consumer of *facts* has stopped."""
        with self._lock:
            self._facts = [others for others in self._facts if others is not facts]
            self._until = None if self._facts else now

    def span(self, now: float) -> tuple[float, float]:
        """Return when the first began to run, and when the last stopped: *now* unless all have."""
        with self._lock:
            since = now if self._since is None else self._since
            return since, now if self._until is None else self._until

    def running(self) -> list[RunningRecord]:
        """Return the records that handlers are at."""
        with self._lock:
            all_facts = self._facts.copy()
        return [record for facts in all_facts for record in facts.running()]


class CommitTimes:
    """Counts and times commits. Any thread may call every method."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._durations = Buckets()
        self._failures = 0

    def add(self, seconds: float, *, failed: bool) -> None:
        """Count a commit."""
        with self._lock:
            self._durations.add_all((seconds,))
            self._failures += failed

    def timings(self) -> CommitTimings:
        """Return the counts so far."""
        with self._lock:
            durations = distribution([self._durations])
            return CommitTimings(durations.count - self._failures, self._failures, durations)


class PausedTime:
    """Sums up how long at least one partition was paused. Any thread may call every method; times are in seconds."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._paused: set[TopicPartition] = set()
        self._since = 0.0
        self._ended = 0.0

    def note_paused(self, partitions: Collection[TopicPartition], now: float) -> None:
        """Note that *partitions* are paused from *now* on."""
        with self._lock:
            if partitions and not self._paused:
                self._since = now
            self._paused.update(partitions)

    def note_resumed(self, partitions: Collection[TopicPartition], now: float) -> None:
        """Note that *partitions* are no longer paused, or no longer ours; those that were not are ignored."""
        with self._lock:
            self._resume(partitions, now)

    def stop(self, now: float) -> None:
        """Note that nothing is paused any more because the consumer has stopped."""
        with self._lock:
            self._resume(self._paused.copy(), now)

    def _resume(self, partitions: Collection[TopicPartition], now: float) -> None:
        was_paused = bool(self._paused)
        self._paused.difference_update(partitions)
        if was_paused and not self._paused:
            self._ended += now - self._since

    def seconds(self, now: float) -> float:
        """Return the sum until *now*."""
        with self._lock:
            return self._ended + (now - self._since if self._paused else 0.0)
