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
    Bug(
        "leave workers waiting if a signal handler raises while they are ended",
        where="kafka_parallel._runtime.loop.engine:Engine.__init__",
        old="*[self._end_workers] * 2",
        new="self._end_workers",
        executor="tests/runtime/test_raising_signal_handlers.py::"
        "test_workers_end_although_it_raises_while_they_are_ended[1]",
    ),
]
