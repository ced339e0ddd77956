"""Bugs about who may use the consumer, and whose it is: the run's, the program's beside it, or a successor's."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "let a leftover loop poll beside the run",
        where="kafka_parallel._runtime.client.guarded_class:Guard.poll",
        old='refuse_reading("poll()")',
        new="return self._takeover.own.poll(*_, **__)",
    ),
    Bug(
        "let the program commit offsets of its own beside the run",
        where="kafka_parallel._runtime.client.takeover:Takeover.ask_for_commit",
        old="refuse_offsets(method, offsets)",
        new="return getattr(self.own, method)(offsets)",
    ),
    Bug(
        "hand records out to a poll that was bound before the run",
        where="kafka_parallel._runtime.client.detours:Detours._reading.read",
        old='not self._calls.are_ours("read")',
        new='False and not self._calls.are_ours("read")',
    ),
    Bug(
        "let a commit that was bound before the run commit offsets of its own",
        where="kafka_parallel._runtime.client.detours:Detours._commit.commit_offsets_sync",
        old='self._calls.are_ours("commit")',
        new="True",
    ),
    Bug(
        "let a commit of the program commit what was polled",
        where="kafka_parallel._runtime.client.takeover:Takeover.ask",
        old="self._ask",
        new="self.own.commit",
    ),
    Bug(
        "let a commit of the program overtake one of the run",
        where="kafka_parallel._runtime.client.takeover:Takeover.ask",
        old="self._ask()",
        new="""
            import contextlib

            with contextlib.suppress(Exception):  # an error of its own is no older snapshot
                self.own.commit(self.finished())
        """,
    ),
    Bug(
        "let the program's close() close the client under the feet of the run",
        where="kafka_parallel._runtime.client.guarded_class:Guard.close",
        old="self._takeover.stop(None if timeout_ms is None else timeout_ms / 1000)",
        new="self._takeover.own.close(autocommit=autocommit)",
    ),
    Bug(
        "resume what the user has paused",
        where="kafka_parallel._runtime.client.pauses:Pauses._is_wanted",
        old="(self._users, self._standing)",
        new="(self._standing,)",
    ),
    Bug(
        "show the user what back-pressure has paused",
        where="kafka_parallel._runtime.client.guarded_class:Guard.paused",
        old="self._takeover.pauses.of_user",
        new="self._takeover.own.paused",
    ),
    Bug(
        "leave a consumer changed whose start was refused",
        where="kafka_parallel._runtime.client.changes:Changes.undo",
        old="self._undo",
        new="self._undo and len(self._undo) > 4",
        nth=1,
    ),
    Bug(
        "close a consumer whose start was refused",
        where="kafka_parallel._runtime.loop.engine:Engine._undo_start",
        old="self._client.undo_takeover",
        new="lambda: self._client.close(CLOSE_TIMEOUT)",
    ),
    Bug(
        "go on after a static member was fenced",
        where="kafka_parallel._runtime.loop.poll_loop:Loop.step",
        old="raise",
        new="self._may_poll = True",
    ),
    Bug(
        "poll again after poll() has failed for good",
        where="kafka_parallel._runtime.loop.poll_loop:Loop._end_by",
        old="self._may_poll = False",
        new="",
    ),
]
