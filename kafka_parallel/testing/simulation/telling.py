"""Matches the reports to plugins with the attempts they are about.

A report names a record, seconds and an error. Of several attempts at one record more than one may agree with it: one
that was cancelled at its deadline and the next, which ends at the same moment. So nothing is decided until there is a
contradiction: reports are matched with the calls that agree with them, and matched anew with every further one.
(Augmenting paths: H. W. Kuhn, The Hungarian method for the assignment problem, 1955; that a matching which covers all
that was told and one which covers all calls that had to be told of make one which covers both: N. S. Mendelsohn and A.
L. Dulmage, Some generalizations of the problem of distinct representatives, 1958.)
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from kafka_parallel.testing.simulation.calls import Call


class Tellings:
    """The reports of attempts of one instance at one record."""

    def __init__(self) -> None:
        self._candidates: list[Sequence[Call]] = []
        self._about: dict[Call, int] = {}

    def tell(self, candidates: Sequence[Call]) -> bool:
        """Take in one thing more, which is about one of *candidates*; false if that cannot be."""
        self._candidates.append(candidates)
        if self._match(len(self._candidates) - 1, set()):
            return True
        self._candidates.pop()
        return False

    def _match(self, number: int, seen: set[Call]) -> bool:
        for call in self._candidates[number]:
            if call in seen:
                continue
            seen.add(call)
            if call not in self._about or self._match(self._about[call], seen):
                self._about[call] = number
                return True
        return False

    def missing(self, calls: Collection[Call]) -> list[Call]:
        """Those of *calls* without a report, in every reading of the reports."""
        return [call for call in calls if call not in self._about and not self._claim(call, calls, set())]

    def _claim(self, call: Call, calls: Collection[Call], seen: set[int]) -> bool:
        """Let a report be about *call* that is about one that needs no report, or that has more of them."""
        for other, number in list(self._about.items()):
            if number in seen or call not in self._candidates[number]:
                continue
            seen.add(number)
            if other not in calls or self._claim(other, calls, seen):
                if self._about.get(other) == number:
                    del self._about[other]
                self._about[call] = number
                return True
        return False
