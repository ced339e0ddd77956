"""Bugs about the facts of a run: numbers that an operator trusts and that are wrong."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "tell of the newest record as committed",
        where="kafka_parallel._core.progress:progress",
        old="assignment.committed",
        new="assignment.ledger.end",
    ),
    Bug(
        "leave the stuck head out of what is left",
        where="kafka_parallel._core.progress:progress",
        old="assignment.ledger.records + assignment.ledger.dropped",
        new="max(0, assignment.ledger.records - 1)",
        executor="thread-pool with deadline",
    ),
    Bug(
        "tell of the newest record instead of the position: a marker is left for ever",
        where="kafka_parallel._core.progress:progress",
        old="assignment.ledger.next",
        new="assignment.ledger.end",
    ),
    Bug(
        "tell of an end of the log that is older than the position",
        where="kafka_parallel._runtime.loop.run_facts:_progress",
        old="max(end, seen.position)",
        new="end - 1",
    ),
]
