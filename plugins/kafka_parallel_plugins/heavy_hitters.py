"""The few that weigh most of many items: the Space-Saving sketch (Metwally, Agrawal, El Abbadi 2005), weighted.

A sketch watches a fixed number of items. One that it does not watch takes the place of the lightest, and inherits its
weight as the error of its own. With `CAPACITY` places and a total weight W an item that weighs more than
W / `CAPACITY` is watched, and no weight is too large by more than that. Sketches of parts add up, and so do the errors.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import NamedTuple

__all__ = ()

# see docs/decisions/0073-time-is-sampled.md
CAPACITY = 64


class Weight(NamedTuple):
    """The bounds of the weight of an item, in the unit of `HeavyHitters.weigh`; the sketch does not know it better."""

    least: float
    most: float


NOTHING = Weight(0.0, 0.0)


class HeavyHitters:
    """One sketch. One thread writes, any other may read meanwhile and be an item behind."""

    __slots__ = ("_weights",)

    def __init__(self) -> None:
        self._weights: dict[Hashable, Weight] = {}

    def weigh(self, item: Hashable, weight: float) -> None:
        """Add *weight*, above 0, to *item*; the lightest of `CAPACITY` items makes room for a new one."""
        weights = self._weights
        if (known := weights.get(item)) is None:
            known = self._make_room()
        weights[item] = Weight(known.least + weight, known.most + weight)

    def _make_room(self) -> Weight:
        """Return the weight that a new item may have had before it was watched."""
        weights = self._weights
        if len(weights) < CAPACITY:
            return NOTHING
        # its weight is compared 64 times, which is cheaper than a heap: an item comes once in a millisecond of handling
        lightest = min(weights, key=lambda item: weights[item].most)
        return Weight(0.0, weights.pop(lightest).most)

    def weights(self) -> dict[Hashable, Weight]:
        """Return a copy of the items that are watched, `CAPACITY` at most, each with the bounds of its weight."""
        return self._weights.copy()


def merge(sketches: Iterable[HeavyHitters]) -> dict[Hashable, Weight]:
    """Add up *sketches*: an item that one of them does not watch may be as heavy there as its lightest one."""
    parts = [sketch.weights() for sketch in sketches]
    unseen = [_most_of_unseen(part) for part in parts]
    total = sum(unseen)
    merged: dict[Hashable, Weight] = {}
    for part, lightest in zip(parts, unseen, strict=True):
        for item, weight in part.items():
            known = merged.get(item, Weight(0.0, total))
            merged[item] = Weight(known.least + weight.least, known.most + weight.most - lightest)
    return merged


def _most_of_unseen(part: dict[Hashable, Weight]) -> float:
    if len(part) < CAPACITY - 1:  # a copy that is made while one item takes the place of another lacks both
        return 0.0
    return min(weight.most for weight in part.values())
