"""Is there a bound on some records, beside those on all of them?

Rule 1: a `Limit` answers with a time. If a record may start only after another one has ended, that is `NEVER`: all
parked ones are asked again when one ends.
Rule 2: it is told of every start and of every end while it is set (it is in `Throttles.limits`). A record ends when its
attempt is settled, and when it goes back to its lane unbegun: taken away from a stuck worker, or reclaimed before a
partition leaves. Starts and ends are told with the records themselves. It may be told of the end of one that it was not
told of: that one had started before the limit was set.
Rule 3: a limit costs a call per record. While none is set, there is none.

A new one is four changes: a class with these members; where
`Throttles` (``in_flight_limits.py``) sets it; and for plugins a method of their throttle (``throttle.py`` and
``_runtime/loop/plugin_throttle.py``). A core limit by topic is handed a function of a partition, for
the core does not know about topics: `Task.assignment.partition` is the partition as the runtime named it. Examples are
`GroupLimit` (``group_limits.py``), which lets go of as many parked records as have a place, and `AtMostPerGroup` in
``tests/core/test_start_limit.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kafka_parallel._core.task import Task


# see docs/decisions/0067-one-admission.md
class Limit(Protocol):
    """A bound on some records.

    :ivar name: what the log and `standing` call it, as in "a rate limit".
    """

    name: str

    def earliest_start_of(self, task: Task) -> float:
        """When *task* may start if nothing else starts before; it may be long ago, or `NEVER` while it is not known."""

    def count_starts(self, tasks: Sequence[Task], now: float) -> None:
        """Note that *tasks*, the next ones of one lane or a single one, start *now*."""

    def count_ends(self, tasks: Sequence[Task]) -> bool:
        """Note that *tasks* run no more; tell whether parked records may start for that."""
