"""The outcomes that are still owed of the units that were sent to a process, and the reports made of them.

Rule: every unit is reported exactly to its end, its first error, or as to be run elsewhere, however its process ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from kafka_parallel.executors import Report
from kafka_parallel_plugins.process_pool.messages import Done, Place
from kafka_parallel_plugins.sent_errors import Raised, exception_of

__all__ = ()


class SentUnits:
    """The units of one message to a process; they are named by their place in it."""

    def __init__(self, units: Sequence[Sequence[Any]]) -> None:
        self._sizes = [len(unit) for unit in units]
        self._open = dict(enumerate(self._sizes))

    @property
    def is_open(self) -> bool:
        """True while the process owes the outcome of a record."""
        return bool(self._open)

    @property
    def may_come_back(self) -> bool:
        """True if some unit may not have been begun."""
        return len(self._open) > 1

    def is_running(self, at: Place) -> bool:
        """Tell whether the record *at* a place has neither been reported nor returned."""
        return at.unit in self._open and self._sizes[at.unit] - self._open[at.unit] <= at.record < self._sizes[at.unit]

    def done(self, news: Iterable[Done]) -> list[Report]:
        """Take in how far units have come since the last message; return it as the reports of an executor."""
        return [self._report(*one) for one in news]

    def _report(self, unit: int, returned: int, raised: Raised | None, durations_ms: Sequence[float]) -> Report:
        self._open[unit] -= returned
        if raised is not None or not self._open[unit]:
            del self._open[unit]
        if raised is None:
            return Report(unit, returned, durations_ms=durations_ms)
        return Report(unit, returned, exception_of(raised), raised.stage, durations_ms=durations_ms)

    def unbegun(self, units: Iterable[int]) -> list[Report]:
        """Take in the units that the process gives back: it has not begun them and never will."""
        found = list(units)
        for unit in found:
            del self._open[unit]
        return [Report(unit, is_unbegun=True) for unit in found]

    def died(self, at: Place | None, error: Exception) -> list[Report]:
        """Settle everything that is owed by a process that died *at* a place: the record it had begun there has failed.

        All that it said has been taken in. It says at once that a record failed: those that it had left behind without
        a word had returned.
        """
        return self._settle(at, lambda unit, returned: [Report(unit, returned, error)])

    def interrupted(self, at: Place) -> list[Report]:
        """Settle the same if nothing is to blame on the record it was at, which comes back with those behind it."""
        return self._settle(at, lambda unit, returned: [Report(unit, returned), Report(unit, is_unbegun=True)])

    def _settle(self, at: Place | None, hit: Callable[[int, int], list[Report]]) -> list[Report]:
        """Report everything that is owed; *hit* does for the unit of the record that was being run, if there is one."""
        reports = []
        for unit, left in self._open.items():
            if at is None or unit > at.unit:
                reports.append(Report(unit, is_unbegun=True))
            elif unit == at.unit and self.is_running(at):
                reports += hit(unit, at.record - (self._sizes[unit] - left))
            else:
                reports.append(Report(unit, left))
        self._open = {}
        return reports
