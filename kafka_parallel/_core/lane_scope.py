"""How far does a lane reach?

A lane holds the records of one ordering key within one scope, and today the scope is the partition: records with the
same key in two partitions run side by side. `Scheduler` is handed the function that says so. Partitions for which it
returns the same value share their lanes, so their records with one key run one at a time, in the order in which they
came.

A wider scope means for the parts of the core:

- Batches: records are "of one partition" if they are of one scope, because a lane gives its records to one batch.
- Rates: a key has one rate in its scope.
- Leaving: a record of a partition that leaves is dropped if it stands behind a dropped one, or behind a retry that is
  due too late (``dropping.py``). Records of a partition that stays do not wait for those of one that has left.
- Offsets, assignments and the fairness between partitions stay with the partition.

An ordering plugin has to fit: a key that stands for "the whole partition" (``partition_queue``) or for "no key"
(``key_ordered``) would make one lane of the whole scope.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any, TypeAlias

LaneScope: TypeAlias = "Callable[[Any], Hashable]"


# see docs/decisions/0066-lane-scope.md
def by_partition(partition: Hashable) -> Hashable:
    """Return the scope of the lanes of *partition*: a lane ends where its partition does."""
    return partition


class LaneScopes:
    """The lanes of each scope, by ordering key; they outlive an assignment whose records still run.

    Tasks stand in lanes and point at assignments, so the class of a lane is unknown here.
    """

    def __init__(self) -> None:
        self._lanes: dict[Hashable, dict[Hashable, Any]] = {}
        self._users: Counter[Hashable] = Counter()

    def begin(self, scope: Hashable) -> dict[Hashable, Any]:
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
