"""Bugs of commits that do not stop the loop: answers that count for something else, two on their way, no answer."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "count what was sent as committed",
        where="kafka_parallel._runtime.loop.committer:Committer.send_snapshot",
        old="self._on_its_way = commit",
        new="""
            self._on_its_way = commit
            self._scheduler.confirm_commit(snapshot)
        """,
    ),
    Bug(
        "count a commit whose answer never came as done",
        where="kafka_parallel._runtime.loop.committer:Committer.take_answer",
        old='KafkaTimeoutError(f"no answer within {commit.context.timeout_ms:.0f} ms")',
        new='None and KafkaTimeoutError(f"no answer within {commit.context.timeout_ms:.0f} ms")',
    ),
    Bug(
        "wait for an answer that never comes",
        where="kafka_parallel._runtime.loop.committer:Committer.take_answer",
        old="commit.is_answered or self._clock.monotonic() >= commit.due",
        new="commit.is_answered",
    ),
    Bug(
        "let a late refusal end assignments that came after it",
        where="kafka_parallel._runtime.loop.committer:Committer._failed",
        old="frozenset(partition for partition, held in commit.held.items() if held.is_ours)",
        new="self._scheduler.ask(lambda scheduler: scheduler.assigned)",
        executor="tests/runtime/loop/test_committer.py::test_a_late_refusal_is_only_about_what_was_held_when_it_was_sent",
    ),
    Bug(
        "send a commit while another is on its way",
        where="kafka_parallel._runtime.loop.poll_loop:Loop._commit_if_due",
        old="not committer.is_on_its_way and self._is_due(is_asked=self._is_commit_asked)",
        new="self._is_due(is_asked=self._is_commit_asked)",
    ),
    Bug(
        "commit before a revoke while another commit is on its way",
        where="kafka_parallel._runtime.loop.committer:Committer.commit",
        old="""
            if self._await_earlier(timeout / 2) is CommitResult.LOST:
                return CommitResult.LOST
        """,
        new="",
    ),
    Bug(
        "forget a refusal by a commit that nobody waits for",
        where="kafka_parallel._runtime.loop.committer:Committer.send_snapshot",
        old="self._client.commit_async(commit.offsets, commit.answered)",
        new="self._client.commit_async(commit.offsets, lambda error: commit.answered(None))",
    ),
]
