"""Bounds on the number of records in flight, set by plugins.

Rule 1: every plugin has bounds of its own; the smallest of all counts.
Rule 2: a bound is data: the value of now, and at most one change that holds from a later time on. No call is made when
that time comes. A caller that asks is told the value of that moment.
Rule 3: a bound of 0 closes: nothing is started and nothing is fetched until it changes.
Rule 4: retries have a bound of their own, so that a flood of failing records leaves workers to fresh ones.
Rule 5: how fast records start is bounded too, see ``rate_limits.py``; ``admission.py`` asks all bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kafka_parallel._core.group_limits import GroupLimit
from kafka_parallel._core.parking import Parking
from kafka_parallel._core.rate_limits import RateLimits
from kafka_parallel._core.start_limit import Limit
from kafka_parallel._core.times import NEVER

UNBOUNDED = float("inf")


@dataclass(slots=True)
class _Bounds:
    in_flight: float = UNBOUNDED
    retries: float = UNBOUNDED
    later: float = UNBOUNDED
    later_from: float = NEVER


# see docs/decisions/0022-throttles-are-data.md
class Throttles:
    """The bounds of all plugins.

    :ivar rates: how fast records may start.
    :ivar limits: the bounds on some records that are set now, see ``start_limit.py``; `set_limit` changes them.
    :ivar parked: the lanes and tasks that wait until they may start.
    :ivar most_in_flight: how many records may be in flight.
    :ivar most_retries: how many of them may be retries.
    :ivar next_change: when the next change is due; infinite if none is.
    """

    def __init__(self) -> None:
        self.parked = Parking()
        self.limits: list[Limit] = []
        self.rates = RateLimits(self.parked, self.limits)
        self._bounds: dict[str, _Bounds] = {}
        self.most_in_flight = self.most_retries = UNBOUNDED
        self.next_change = NEVER

    def set_limit(self, limit: Limit, *, is_set: bool = True) -> None:
        """Set *limit*, or take it back; what is parked is asked anew."""
        if limit in self.limits:
            self.limits.remove(limit)
        if is_set:
            self.limits.append(limit)
        self.parked.look_again()

    def limit_group(self, name: str, in_flight: float, covers: Callable[[Any], bool]) -> None:
        """Let at most *in_flight* records be in flight of the partitions that it *covers*; *name* stands for these.

        Records that were in flight before take no place: the bound holds for all when they have ended.
        """
        before = next((limit for limit in self.limits if isinstance(limit, GroupLimit) and limit.name == name), None)
        if before is not None:
            self.set_limit(before, is_set=False)
        if in_flight < UNBOUNDED:
            self.set_limit(GroupLimit(name, int(in_flight), covers))

    def limit(self, name: str, in_flight: float, since: float | None = None) -> None:
        """Let *name* bound the records in flight: at once, or from the time *since* on.

        A bound that holds at once takes back the change that was to come.
        """
        bounds = self._bounds.setdefault(name, _Bounds())
        if since is None:
            bounds.in_flight, bounds.later_from = in_flight, NEVER
        else:
            bounds.later, bounds.later_from = in_flight, since
        self._sum_up()

    def limit_retries(self, name: str, in_flight: float) -> None:
        """Let *name* bound how many retries are in flight."""
        self._bounds.setdefault(name, _Bounds()).retries = in_flight
        self._sum_up()

    def advance(self, now: float) -> None:
        """Let the changes hold whose time has come."""
        if now < self.next_change:
            return
        for bounds in self._bounds.values():
            if bounds.later_from <= now:
                bounds.in_flight, bounds.later_from = bounds.later, NEVER
        self._sum_up()

    def _sum_up(self) -> None:
        all_bounds = self._bounds.values()
        self.most_in_flight = min((bounds.in_flight for bounds in all_bounds), default=UNBOUNDED)
        self.most_retries = min((bounds.retries for bounds in all_bounds), default=UNBOUNDED)
        self.next_change = min((bounds.later_from for bounds in all_bounds), default=NEVER)

    @property
    def closed_by(self) -> str | None:
        """The plugin that lets nothing start; ``None`` if records may."""
        return next((name for name, bounds in self._bounds.items() if bounds.in_flight == 0), None)

    def is_closed_until(self, end: float) -> bool:
        """Tell whether nothing may start before *end*."""
        return any(bounds.in_flight == 0 and bounds.later_from > end for bounds in self._bounds.values())

    @property
    def bounds(self) -> Mapping[str, int]:
        """The bound of each plugin that has one."""
        return {name: int(bounds.in_flight) for name, bounds in self._bounds.items() if bounds.in_flight < UNBOUNDED}
