"""How far does a lane reach?

A lane holds the records of one ordering key within one scope, and today the scope is the partition: records with the
same key in two partitions run side by side. `lane_scope` is the only place that says so. Partitions for which it
returns the same value share their lanes, so their records with one key run one at a time, in order of arrival.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Any, TypeAlias

# The lanes of one scope, by ordering key. Tasks stand in lanes and point at assignments, so lanes are unknown here.
Lanes: TypeAlias = "dict[Hashable, Any]"


# see docs/decisions/0066-lane-scope.md
def lane_scope(partition: Hashable) -> Hashable:
    """Return the scope of the lanes of *partition*."""
    return partition


class LaneScopes:
    """The lanes of each scope; they outlive an assignment whose records still run."""

    def __init__(self) -> None:
        self._lanes: dict[Hashable, Lanes] = {}
        self._users: Counter[Hashable] = Counter()

    def begin(self, scope: Hashable) -> Lanes:
        """Return the lanes that one more assignment uses."""
        self._users[scope] += 1
        return self._lanes.setdefault(scope, {})

    def end(self, scope: Hashable) -> None:
        """Note that one assignment less uses the lanes of *scope*; after the last, forget them if none is left."""
        self._users[scope] -= 1
        if self._users[scope]:
            return
        del self._users[scope]
        if not self._lanes[scope]:
            del self._lanes[scope]
