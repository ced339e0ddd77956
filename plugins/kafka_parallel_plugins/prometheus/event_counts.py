"""Counts of rare events: verdicts about failed records, and commits. One lock is enough for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from threading import RLock

from kafka_parallel_plugins.prometheus.attempt_counts import DurationCounts, added_up

# The most classes of errors that get a series of their own; the rest is counted together.
MOST_ERROR_TYPES = 50
OTHER_ERRORS = "_OTHER"


class EventCounts:
    """Counts by name and labels. Any thread may call every method.

    :param bounds: the upper bounds of the buckets of commit durations, in seconds.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        # A signal handler may scrape on the very thread that counts here.
        self._lock = RLock()
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._retries: Counter[str] = Counter()
        self._errors: Counter[tuple[str, str]] = Counter()
        self._error_types: set[str] = set()
        self._commits: Counter[tuple[str, str]] = Counter()
        self._commit_durations = DurationCounts(bounds)

    def count_outcome(self, topic: str, outcome: str) -> None:
        """Count a record of *topic* that is finished without its handler's success."""
        with self._lock:
            self._outcomes[topic, outcome] += 1

    def count_retry(self, topic: str) -> None:
        """Count an attempt that was scheduled again."""
        with self._lock:
            self._retries[topic] += 1

    def count_error(self, topic: str, error_type: str) -> None:
        """Count a failed attempt by the class of its error; the 51st class and later ones have one name."""
        with self._lock:
            if error_type not in self._error_types:
                if len(self._error_types) < MOST_ERROR_TYPES:
                    self._error_types.add(error_type)
                else:
                    error_type = OTHER_ERRORS
            self._errors[topic, error_type] += 1

    def count_commit(self, result: str, reason: str, seconds: float) -> None:
        """Count a commit that took *seconds*."""
        with self._lock:
            self._commits[result, reason] += 1
            self._commit_durations.count_all((seconds,))

    @property
    def outcomes(self) -> Mapping[tuple[str, str], int]:
        """Records by topic and outcome."""
        with self._lock:
            return dict(self._outcomes)

    @property
    def retries(self) -> Mapping[str, int]:
        """Attempts scheduled again, by topic."""
        with self._lock:
            return dict(self._retries)

    @property
    def errors(self) -> Mapping[tuple[str, str], int]:
        """Failed attempts by topic and class of the error."""
        with self._lock:
            return dict(self._errors)

    @property
    def commits(self) -> Mapping[tuple[str, str], int]:
        """Commits by result and reason."""
        with self._lock:
            return dict(self._commits)

    def commit_durations(self) -> tuple[list[int], float]:
        """The commits of each bucket of durations, and their sum in seconds."""
        with self._lock:
            return added_up([self._commit_durations])
