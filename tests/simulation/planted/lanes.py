"""Bugs about the meaning of a key, and about the lane that is let go of."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "compare the user's keys under the lock",
        where="kafka_parallel._runtime.loop.intake:Intake._tasks",
        old="key = identity_of(key)",
        new="identity_of(key)",
    ),
    Bug(
        "take equal keys for different ones",
        where="kafka_parallel._runtime.loop.key_identities:Identities._find",
        old="identity.key is key or identity.key == key",
        new="identity.key is key",
    ),
    Bug(
        "hold the key of a record that was kept out of its batch",
        where="kafka_parallel._core.dispatch:Dispatch._release",
        old="outcome is not NotRun and is_unfinished(outcome) and last.assignment.live",
        new="is_unfinished(outcome) and last.assignment.live",
        executor="batch on thread-pool",
    ),
]
