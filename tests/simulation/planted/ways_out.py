"""Bugs about the way out: what may still be asked of the client, and what that means."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "poll again on the way out after poll() has failed for good",
        "_runtime/loop/poll_loop.py",
        "            self._may_poll = is_retriable(error)  # after an error for good the client may never return\n",
        "",
    ),
]
