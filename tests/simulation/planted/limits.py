"""Bugs of the limits: more than a crash may repeat, and partitions that stand still below their limit."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "take all of a poll, whatever a crash may repeat",
        "_core/backpressure.py",
        "        if tasks[-1].offset < end:",
        "        if True:",
    ),
    Bug(
        "count from what could be committed, not from what is",
        "_core/backpressure.py",
        "        return assignment.restart_at if self._commits else assignment.ledger.committable",
        "        return assignment.ledger.committable",
    ),
    Bug(
        "forget to fetch again what max_uncommitted kept out",
        "_core/scheduler.py",
        "                    kept_out[partition] = tasks[len(fitting)].offset",
        "                    pass",
    ),
    Bug(
        "count no offsets that hold no record",
        "_core/backpressure.py",
        "        end = base + self._limits.uncommitted",
        "        end = tasks[0].offset + self._limits.uncommitted",
    ),
    Bug(
        "let a partition's records go ahead of its own",
        "_core/fairness.py",
        "        number = max(self.reached, turn.last + step)",
        "        number = self.reached",
    ),
    Bug(
        "let a record go ahead into a lane that is held",
        "_core/ordering.py",
        "            is_first = not lane.held and not lane.waiting",
        "            is_first = not lane.waiting",
    ),
    Bug(
        "forget the records behind those that go ahead",
        "_core/ordering.py",
        "            tasks = tasks[ahead:]\n",
        "            tasks = ()\n",
    ),
]
