"""Bugs about a member that is removed from its group and joins anew."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "go on with what was held before the client joined anew in silence",
        where="kafka_parallel._runtime.client.membership:Membership.notice_changes",
        old="found and found != self._id",
        new="not found and self._id != found",
        executor="tests/runtime/client/test_membership.py::test_another_id_is_told_once",
    ),
    Bug(
        "let the client keep in silence what was lost when it joined anew",
        where="kafka_parallel._runtime.loop.rebalance:Rebalance.lost_unsaid",
        old="self.may_differ = True",
        new="",
    ),
    Bug(
        "take over what the client shows while it joins",
        where="kafka_parallel._runtime.loop.rebalance:Rebalance.watch_assignment",
        old="self._client.is_joining",
        new="False",
        executor="tests/runtime/loop/test_rebalance.py::test_what_the_client_shows_while_it_joins_may_be_another_members_by_now",
    ),
    Bug(
        "take the late answer to an earlier question for the answer to this one",
        where="kafka_parallel._runtime.client.joint_commits:JointCommits.drop_late_answers",
        old="not kept",
        new="True",
        executor="tests/runtime/client/test_joint_commits.py::test_a_late_answer_is_not_taken_for_the_next_one",
    ),
    Bug(
        "believe that no other member had a partition although a generation lies in between",
        where="kafka_parallel._runtime.client.membership:GroupGeneration.follows",
        old="earlier.number + 1",
        new="max(earlier.number + 1, self.number)",
        executor="tests/runtime/loop/test_returns.py::test_what_comes_back_in_another_one_may_have_been_anothers",
    ),
    Bug(
        "believe that no other member had a partition, however long this one was frozen",
        where="kafka_parallel._runtime.loop.returns:Returns.come",
        old="now - left.at >= self._session_timeout",
        new="False",
        executor="tests/runtime/loop/test_returns.py::test_a_generation_may_be_over_after_a_session",
    ),
]
