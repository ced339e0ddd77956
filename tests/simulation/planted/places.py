"""Bugs of the places of topics: more handlers at once than may be, and places that are never given back."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "let one record more of a topic be in flight than has a place",
        where="kafka_parallel._core.group_limits:GroupLimit.earliest_start_of",
        old="len(self._running) >= self._most",
        new="len(self._running) > self._most",
    ),
    Bug(
        "never give back the place of a record that ends",
        where="kafka_parallel._core.group_limits:GroupLimit.count_ends",
        old="self._running.difference_update(tasks)",
        new="",
    ),
]
