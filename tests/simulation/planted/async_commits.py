"""Bugs of commits that do not stop the loop: answers that count for something else, two on their way, no answer."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "count what was sent as committed",
        "_runtime/loop/committer.py",
        "        self._on_its_way = commit\n",
        "        self._on_its_way = commit\n        self._queue.committed(snapshot)\n",
    ),
    Bug(
        "count a commit whose answer never came as done",
        "_runtime/loop/committer.py",
        "        return self._ended(commit, KafkaTimeoutError(",
        "        return self._ended(commit, None and KafkaTimeoutError(",
    ),
    Bug(
        "wait for an answer that never comes",
        "_runtime/loop/committer.py",
        "if commit is None or not (commit.is_answered or self._clock.monotonic() >= commit.due):",
        "if commit is None or not commit.is_answered:",
    ),
    Bug(
        "let a late refusal end assignments that came after it",
        "_runtime/loop/committer.py",
        "self.lost = frozenset(partition for partition, held in commit.held.items() if held.live)",
        "self.lost = self._queue.ask(lambda scheduler: scheduler.assigned)",
    ),
    Bug(
        "send a commit while another is on its way",
        "_runtime/loop/poll_loop.py",
        "        if self._committer.is_on_its_way:\n            return\n",
        "",
    ),
    Bug(
        "commit before a revoke while another commit is on its way",
        "_runtime/loop/committer.py",
        "        if self._settle(timeout / 2) is Answer.LOST:\n            return Answer.LOST\n",
        "",
    ),
    Bug(
        "forget a refusal by a commit that nobody waits for",
        "_runtime/loop/committer.py",
        "            self._client.commit_async(commit.offsets, commit.answered)",
        "            self._client.commit_async(commit.offsets, lambda error: commit.answered(None))",
    ),
]
