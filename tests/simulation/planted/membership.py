"""Bugs about a member that is thrown out and joins anew."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "go on with what was held before the client joined anew in silence",
        "_runtime/client/membership.py",
        "        if found and found != self._id:",
        "        if not found and self._id != found:",
    ),
    Bug(
        "let the client keep in silence what was lost when it joined anew",
        "_runtime/loop/rebalance.py",
        "        self.lost(partitions)\n        self.may_differ = True",
        "        self.lost(partitions)",
    ),
]
