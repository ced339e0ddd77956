"""Are more records dropped together with those above a ceiling?

Rule 1: a ceiling is an offset of one assignment: all its records above that no worker has are dropped, and will be
repeated.
Rule 2: no record overtakes a dropped one in its lane. The one behind is dropped as well, and with it all above it in
its own partition, if that is about to leave. If its partition stays, it goes on: the other partition is ours no longer.
Rule 3: the same holds behind a record that does not run before the partition leaves.

Within one partition, rule 2 says nothing new. It matters where partitions share lanes (``lane_scope.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from kafka_parallel._core.assignment import Assignment
    from kafka_parallel._core.task import Lane, Task

Ceilings: TypeAlias = "Mapping[Assignment, int]"


def with_those_behind(
    ceilings: Ceilings, lanes: Iterable[Lane], retries: Iterable[Task], blocked: Collection[Lane | None] = ()
) -> dict[Assignment, int]:
    """Return *ceilings*, lowered until nothing overtakes a dropped record; each round lowers one at least.

    :param lanes: all lanes in which records of these assignments may stand.
    :param retries: the records that wait for their next attempt, in front of their lane.
    :param blocked: lanes in which nothing runs before the partitions leave.
    """
    found = dict(ceilings)
    first = {retry.lane: (retry,) for retry in retries}
    lines = [((*first.get(lane, ()), *lane.waiting), lane in blocked) for lane in lanes]
    while any(_lower(found, line, is_blocked=is_blocked) for line, is_blocked in lines):
        pass
    return found


def _lower(ceilings: dict[Assignment, int], line: Iterable[Task], *, is_blocked: bool) -> bool:
    """Lower the *ceilings* of leaving partitions below their records behind a dropped one; tell if any was."""
    is_lower = False
    for task in line:
        if task.offset > ceilings.get(task.assignment, task.offset):
            is_blocked = True
        elif is_blocked and task.assignment.draining:
            ceilings[task.assignment] = task.offset - 1
            is_lower = True
    return is_lower
