"""Bugs about who may use the consumer, and whose it is: the run's, the program's beside it, or a successor's."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "let a leftover loop poll beside the run",
        "_runtime/client/guarded_class.py",
        '        refuse_reading("poll()")',
        "        return self._takeover.own.poll(*_, **__)",
    ),
    Bug(
        "let the program commit offsets of its own beside the run",
        "_runtime/client/takeover.py",
        "            refuse_offsets(method, offsets)",
        "            return getattr(self.own, method)(offsets)",
    ),
    Bug(
        "hand records out to a poll that was bound before the run",
        "_runtime/client/detours.py",
        '            if not self._calls.are_ours("read"):',
        '            if False and not self._calls.are_ours("read"):',
    ),
    Bug(
        "let a commit that was bound before the run commit offsets of its own",
        "_runtime/client/detours.py",
        """            if self._calls.are_ours("commit"):
                return method(offsets, timeout_ms=timeout_ms)""",
        """            if True:
                return method(offsets, timeout_ms=timeout_ms)""",
    ),
    Bug(
        "let a commit of the program commit what was polled",
        "_runtime/client/takeover.py",
        "        self._ask()\n",
        "        self.own.commit()\n",
    ),
    Bug(
        "let a commit of the program overtake one of the run",
        "_runtime/client/takeover.py",
        "        self._ask()\n",
        "        self.own.commit(self.finished())\n",
    ),
    Bug(
        "let the program's close() close the client under the feet of the run",
        "_runtime/client/guarded_class.py",
        "        self._takeover.stop(None if timeout_ms is None else timeout_ms / 1000)",
        "        self._takeover.own.close(autocommit=autocommit)",
    ),
    Bug(
        "resume what the user has paused",
        "_runtime/client/pauses.py",
        "for held in (self._users, self._standing)",
        "for held in (self._standing,)",
    ),
    Bug(
        "show the user what back-pressure has paused",
        "_runtime/client/guarded_class.py",
        "        return self._takeover.pauses.of_user()",
        "        return self._takeover.own.paused()",
    ),
    Bug(
        "leave a consumer changed whose start was refused",
        "_runtime/client/changes.py",
        "        while self._undo:",
        "        while self._undo and len(self._undo) > 4:",
    ),
    Bug(
        "close a consumer whose start was refused",
        "_runtime/loop/engine.py",
        "self._client.give_back):",
        "lambda: self._client.close(CLOSE_TIMEOUT)):",
    ),
    Bug(
        "do not notice that a static member was fenced",
        "_runtime/client/consumer_adapter.py",
        "        if self._instance_id is not None and is_fenced(",
        "        if False and is_fenced(",
    ),
    Bug(
        "poll again after poll() has failed for good",
        "_runtime/loop/poll_loop.py",
        '        """Never poll again, finish what was taken, and raise *error*."""\n        self._may_poll = False\n',
        '        """Never poll again, finish what was taken, and raise *error*."""\n',
    ),
]
