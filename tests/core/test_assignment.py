"""Work belongs to one assignment; an assignment that has ended leaves its attempts and lanes to the next."""

from __future__ import annotations

import pytest

from kafka_parallel._core.assignment import Assignments, Past


def assigned(*partitions, start=None):
    found = Assignments()
    return found, *(found.assign(partition, start) for partition in partitions)


def test_an_id_is_never_used_again():
    assignments, first = assigned("p")
    assignments.end_assignment("p")
    second = assignments.assign("p")

    assert second.id > first.id
    assert assignments.assign("q").id > second.id


def test_a_partition_that_is_ours_cannot_be_assigned_again():
    assignments, _ = assigned("p")

    with pytest.raises(ValueError, match="p is already assigned"):
        assignments.assign("p")


def test_only_the_live_assignment_of_a_partition_is_found():
    assignments, first = assigned("p")
    assert assignments.end_assignment("p") is first

    assert not first.live
    assert assignments.get("p") is None
    assert assignments.end_assignment("p") is None
    assert assignments.partitions == frozenset()


def test_while_it_drains_or_after_a_failure_that_stops_nothing_new_is_taken_in():
    _, leaving, halted = assigned("p", "q")
    assert leaving.takes_records

    leaving.leaves_at = 5.0
    halted.halted.add(3)

    assert leaving.draining
    assert not leaving.takes_records
    assert not halted.takes_records


def test_it_is_drained_when_only_records_are_left_whose_failure_stopped_the_consumer():
    _, found = assigned("p", start=0)
    found.ledger.add_offsets([0, 1], [1, 1])
    assert found.unfinished == 2
    assert not found.drained

    found.finish_offset(0)
    found.halted.add(1)

    assert found.drained


def test_there_is_something_to_commit_until_the_broker_confirmed_just_that():
    _, found = assigned("p", start=7)
    assert found.is_dirty

    found.confirm_commit(7, 0, now=1.0)
    assert not found.is_dirty

    found.ledger.add_offsets([7], [1])
    assert not found.is_dirty
    found.finish_offset(7)
    assert found.is_dirty


def test_attempts_at_a_record_are_remembered_for_the_next_assignment_of_its_partition():
    assignments, first = assigned("p", "q")[:2]
    first.attempts[5] = Past(2, 17.0, 3.0)
    assignments.end_assignment("p")

    assert assignments.assign("p").attempts == {5: Past(2, 17.0, 3.0)}
    assert assignments.get("q").attempts == {}


def test_attempts_at_what_others_have_finished_are_forgotten():
    assignments, first = assigned("p")
    first.attempts.update({5: Past(2, 17.0, 3.0), 9: Past(3, 18.0, 4.0)})
    assignments.end_assignment("p")

    assert assignments.assign("p", start=6).attempts == {9: Past(3, 18.0, 4.0)}


@pytest.mark.parametrize("finish", [lambda found: found.finish_offset(0), lambda found: found.finish_offsets([0])])
def test_attempts_at_a_record_are_forgotten_once_it_is_finished(finish):
    _, found = assigned("p", start=0)
    found.ledger.add_offsets([0, 1], [1, 1])
    found.attempts.update({0: Past(2, 17.0, 3.0), 1: Past(2, 17.0, 3.0)})

    assert finish(found) == 1
    assert [*found.attempts] == [1]


def test_an_attempt_that_is_heard_of_late_is_remembered_for_when_its_record_comes_again():
    assignments, _ = assigned("p")
    assignments.end_assignment("p")
    assignments.failed_late("p", 5, Past(2, 17.0, 3.0))

    again = assignments.assign("p", start=0)
    assert [*again.attempts] == [5]

    again.ledger.add_offsets([0, 6], [1, 1])
    assignments.failed_late("p", 6, Past(2, 17.0, 3.0))
    assignments.failed_late("p", 7, Past(2, 17.0, 3.0))
    assert [*again.attempts] == [5, 7], "what it has come to already is under way with attempts of its own"


def test_lanes_go_over_to_the_next_assignment_while_something_stands_in_them():
    assignments, first, other = assigned("p", "q")
    first.lanes["a"] = "a lane that is held"
    assignments.end_assignment("p")
    assignments.end_assignment("q")

    assert assignments.assign("p").lanes is first.lanes
    assert assignments.assign("q").lanes is not other.lanes


def test_where_a_crash_would_begin_again_is_what_the_broker_confirmed_last():
    assignments, first = assigned("p", start=3)
    assert first.restart_at == 3
    first.confirm_commit(5, 0, now=1.0)
    assignments.end_assignment("p")

    assert assignments.assign("p", start=9).restart_at == 5


def test_a_partition_begins_where_the_client_is_first():
    assignments, found = assigned("p")
    assert assignments.unbegun == {"p": found}

    assignments.advance_to("p", 4)

    assert assignments.unbegun == {}
    assert found.ledger.committable == 4


def test_the_leader_epoch_of_a_commit_is_that_of_the_newest_record_below_it():
    _, found = assigned("p")
    for offset, leader_epoch in [(0, 1), (5, 1), (10, 2)]:
        found.saw_leader_epoch(offset, leader_epoch)

    assert found.leader_epoch_below(0) == -1
    assert found.leader_epoch_below(10) == 1
    assert found.leader_epoch_below(11) == 2


def test_those_with_nothing_left_are_looked_at_no_more():
    assignments, done, busy = assigned("p", "q", start=0)
    assignments.with_unfinished.update(p=done, q=busy)
    busy.ledger.add_offsets([0], [1])

    assignments.close_finished()

    assert assignments.with_unfinished == {"q": busy}
