"""Bugs about records that are handed out while a cooperative member joins."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

WHERE = "kafka_parallel._runtime.client.fetching_while_joining"
TESTS = "tests/runtime/client/test_fetching_while_joining.py"

BUGS = [
    Bug(
        "hand out while it joins although it is another member by now",
        where="kafka_parallel._runtime.client.membership:Membership.is_unchanged",
        old="generation.generation_id >= 0 and generation.member_id == self._id",
        new="generation.generation_id >= 0",
        executor="tests/runtime/client/test_membership.py::test_it_is_unchanged_while_it_has_the_id_that_was_seen_and_a_generation",
    ),
    Bug(
        "hand out while it joins although it was removed as it asked",
        where=f"{WHERE}:FetchingWhileJoining.poll",
        old="is_joining(coordinator) and self._keeps_partitions",
        new="is_joining(coordinator)",
        executor=f"{TESTS}::test_a_member_that_is_removed_while_it_asks_fetches_no_more",
    ),
    Bug(
        "hand out while an eager member joins",
        where=f"{WHERE}:put",
        old="protocol.name == 'COOPERATIVE'",
        new="True",
        executor=f"{TESTS}::test_an_eager_member_has_given_up_its_partitions",
    ),
    Bug(
        "hand out while it joins although it was not heard of for a session",
        where=f"{WHERE}:FetchingWhileJoining._is_heard_of",
        old="not self._coordinator.heartbeat.session_timeout_expired()",
        new="True",
        executor=f"{TESTS}::test_a_member_whose_partitions_may_be_anothers_waits_for_the_answer",
    ),
    Bug(
        "forget the answer to a join that comes between two polls",
        where=f"{WHERE}:FetchingWhileJoining._await_answer",
        old="join is not None and not isinstance(join, AwaitedJoin) and self._is_heard_of",
        new="False",
        executor=f"{TESTS}::test_an_answer_that_came_between_two_polls_is_still_awaited",
    ),
    Bug(
        "leave no time for the metadata that a pattern is looked up in",
        where=f"{WHERE}:FetchingWhileJoining._time_to_join",
        old="max(timeout_ms, UPDATE_MS)",
        new="timeout_ms",
        executor=f"{TESTS}::test_there_is_time_for_the_metadata_that_a_pattern_is_looked_up_in",
    ),
]
