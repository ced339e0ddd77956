"""Which records workers have been at for too long.

Rule 1: nothing is written down per record: what workers are at is looked at now and then, and what is seen twice has
been there at least since the first time.
Rule 2: each is told of once.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class LongRunning(Generic[T]):
    """Tells which of what workers are at has been there for long.

    :param after: how long that is, in seconds.
    """

    def __init__(self, after: float) -> None:
        self._after = after
        self._seen: dict[T, float] = {}
        self._told: set[T] = set()
        self._next_look = float("-inf")

    def is_due(self, now: float) -> bool:
        """Tell whether it is time to look again: eight times before anything can be too long."""
        return now >= self._next_look

    def look(self, at_work: Collection[T], now: float) -> dict[T, float]:
        """Return those of *at_work* that have just become too long, each with the seconds since it was first seen."""
        self._next_look = now + self._after / 8
        self._seen = {current: self._seen.get(current, now) for current in at_work}
        self._told &= self._seen.keys()
        found = {
            current: now - since
            for current, since in self._seen.items()
            if now - since >= self._after and current not in self._told
        }
        self._told |= found.keys()
        return found
