"""Finds things that have not changed for too long: records that workers are at, and partitions that stand still.

Rule 1: nothing is written down per record: states are looked at now and then, and a thing that is seen twice in the
same state has been in it at least since the first time.
Rule 2: each is told of when that has lasted long enough, and again at intervals while it lasts.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

from kafka_parallel._core.times import NEVER

T = TypeVar("T", bound=Hashable)
S = TypeVar("S")


class Unchanged(Generic[T, S]):
    """Tells which things have been in one state for long.

    :param after: how long that is, in seconds.
    :param again_after: seconds between two reports of the same; by default each is told of once.
    """

    def __init__(self, after: float, again_after: float = NEVER) -> None:
        self._after = after
        self._again_after = again_after
        self._since: dict[T, tuple[S, float]] = {}
        self._told: dict[T, float] = {}
        self._next_look = float("-inf")

    def since(self) -> dict[T, float]:
        """Since when each thing is known to be in its state, as of the latest look."""
        return {thing: since for thing, (_, since) in self._since.items()}

    def is_due(self, now: float) -> bool:
        """Tell whether it is time to look again: eight times before anything can be too long."""
        return now >= self._next_look

    def look(self, states: Mapping[T, S], now: float) -> dict[T, float]:
        """Take in how all things are; return those to be told of now, each with the seconds it has been so."""
        self._next_look = now + min(self._after, self._again_after) / 8
        before, self._since = self._since, {}
        for thing, state in states.items():
            seen = before.get(thing)
            self._since[thing] = seen if seen is not None and seen[0] == state else (state, now)
        self._told = {thing: at for thing, at in self._told.items() if self._is_as_told(thing, at)}
        found = {thing: now - since for thing, (_, since) in self._since.items() if self._is_to_be_told(thing, now)}
        self._told |= dict.fromkeys(found, now)
        return found

    def _is_as_told(self, thing: T, told_at: float) -> bool:
        """Tell whether *thing* has not changed since it was told of."""
        return thing in self._since and self._since[thing][1] <= told_at

    def _is_to_be_told(self, thing: T, now: float) -> bool:
        if now - self._since[thing][1] < self._after:
            return False
        return thing not in self._told or now - self._told[thing] >= self._again_after
