"""When a commit is due.

Rule 1: ``should_commit(now)`` asks, ``did_commit(now)`` and ``did_fail(now)`` answer. Nothing is due twice.
Rule 2: a failed commit stays due: it is tried again sooner than the interval, but not at once (back-off from 100 ms,
doubling, never longer than the interval).
Rule 3: until then no other reason makes a commit due either (``backs_off(now)``): each may hold at once again.
"""

from __future__ import annotations

FIRST_BACKOFF = 0.1


class CommitCadence:
    """When the next commit of one consumer is due.

    :param interval: seconds between commits.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._due: float | None = None
        self._failures = 0

    def should_commit(self, now: float) -> bool:
        """Tell whether a commit is due at *now*; the first call starts the first interval."""
        if self._due is None:
            self._due = now + self._interval
        return now >= self._due

    def did_commit(self, now: float) -> None:
        """Note that a commit succeeded, or that there was nothing to commit."""
        self._failures = 0
        self._due = now + self._interval

    def did_fail(self, now: float) -> None:
        """Note that a commit failed and has to be tried again."""
        self._due = now + min(self._interval, FIRST_BACKOFF * 2**self._failures)
        self._failures = min(self._failures + 1, 16)

    def backs_off(self, now: float) -> bool:
        """Tell whether a commit has failed and is not to be tried again yet, however urgent it is."""
        return bool(self._failures) and self._due is not None and now < self._due

    def wait(self, now: float) -> float:
        """Seconds from *now* until a commit is due."""
        return self._interval if self._due is None else max(0.0, self._due - now)
