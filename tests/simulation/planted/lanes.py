"""Bugs about what a key is, and about which lane is let go of."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "compare the user's keys under the lock",
        "_runtime/loop/intake.py",
        "                        key = identity_of(key)\n",
        "                        identity_of(key)\n",
    ),
    Bug(
        "take equal keys for different ones",
        "_runtime/loop/key_identities.py",
        "if identity is not None and (identity.key is key or identity.key == key):",
        "if identity is not None and identity.key is key:",
    ),
    Bug(
        "hold the key of a record that was kept out of its batch",
        "_core/dispatch.py",
        "holds = outcome is not NotRun and is_unfinished(outcome)",
        "holds = is_unfinished(outcome)",
        "batch on thread-pool",
    ),
]
