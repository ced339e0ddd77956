"""Bugs about the way out: the last calls of the client, and their meaning."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "poll again on the way out after poll() has failed for good",
        where="kafka_parallel._runtime.loop.poll_loop:Loop._keep_alive",
        old="self._may_poll = is_retriable(error)",
        new="",
    ),
]
