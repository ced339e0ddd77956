"""A record has the results of its latest attempt; a commit takes those below its offsets; lost ones are gone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kafka_parallel import RecordContext
from kafka_parallel.outbox import Outgoing
from kafka_parallel_plugins.exactly_once.pending_results import PendingResults, size_of

PLACE = ("t", 0)


def context(offset, attempt=1, assignment=None, partition=0, assignment_id=1):
    raw = SimpleNamespace(topic="t", partition=partition, offset=offset)
    return RecordContext(raw, attempt, assignment_id, 0.0, None, assignment=assignment)


def result(value):
    return Outgoing("out", None, None, value, [])


def values(pending, offsets):
    return [record.value for record in pending.results_below(offsets)]


class Owned:
    """A time of ownership, in which records below an offset count."""

    until = 100

    def keeps(self, offset):
        return offset < self.until


@pytest.fixture
def pending():
    return PendingResults()


def test_a_commit_takes_all_below_its_offsets_in_order(pending):
    for partition, offset in ((1, 3), (0, 5), (1, 1), (0, 2), (0, 9)):
        pending.keep_results([result(b"%d.%d" % (partition, offset))], context(offset, partition=partition))

    assert values(pending, {("t", 1): 4, ("t", 0): 6}) == [b"0.2", b"0.5", b"1.1", b"1.3"]
    assert values(pending, {("t", 0): 5}) == [b"0.2"]
    assert values(pending, {("u", 0): 5}) == []


def test_they_are_kept_until_the_commit_is_confirmed(pending):
    pending.keep_results([result(b"1")], context(1))
    pending.keep_results([result(b"2")], context(2))
    assert values(pending, {PLACE: 2}) == values(pending, {PLACE: 2}) == [b"1"]

    pending.forget_written({PLACE: 2})

    assert values(pending, {PLACE: 9}) == [b"2"]
    assert pending.size == 1


def test_a_later_attempt_replaces_an_earlier_one_also_by_nothing(pending):
    pending.keep_results([result(b"first")], context(1))
    pending.keep_results([result(b"second")], context(1, attempt=2))
    assert values(pending, {PLACE: 9}) == [b"second"]

    pending.keep_results([], context(1, attempt=3))
    assert values(pending, {PLACE: 9}) == []
    assert pending.size == 0


def test_a_failed_attempt_has_none_not_even_later(pending):
    pending.keep_results([result(b"first")], context(1))
    pending.note_failure(context(1))
    pending.keep_results([result(b"late")], context(1))
    assert values(pending, {PLACE: 9}) == []

    pending.keep_results([result(b"second")], context(1, attempt=2))
    pending.keep_results([result(b"late again")], context(1))
    assert values(pending, {PLACE: 9}) == [b"second"]


def test_a_dead_letter_takes_the_place_of_results(pending):
    pending.keep_results([result(b"first")], context(1))
    pending.note_failure(context(1))
    pending.keep_instead(result(b"letter"), context(1))

    assert values(pending, {PLACE: 9}) == [b"letter"]


def test_results_of_a_partition_that_has_left_are_gone(pending):
    pending.keep_results([result(b"ab")], context(1))
    pending.keep_results([result(b"c")], context(1, partition=1))
    pending.forget_partitions([PLACE])

    assert values(pending, {PLACE: 9, ("t", 1): 9}) == [b"c"]
    assert pending.size == 1


def test_results_of_an_ownership_that_is_over_are_not_written(pending):
    owned = Owned()
    pending.keep_results([result(b"1")], context(1, assignment=owned))
    owned.until = 0
    pending.keep_results([result(b"2")], context(2, assignment=owned))

    assert values(pending, {PLACE: 9}) == []


def test_after_a_jump_back_those_below_it_are_still_written(pending):
    owned = Owned()
    for offset in (1, 2):
        pending.keep_results([result(b"%d" % offset)], context(offset, assignment=owned))
    owned.until = 2

    assert values(pending, {PLACE: 9}) == [b"1"]


def test_after_a_jump_back_attempts_count_from_one_again(pending):
    """Its failures from before the jump say nothing about the attempts behind it."""
    pending.note_failure(context(5, attempt=1))
    pending.note_failure(context(5, attempt=2))

    pending.keep_results([result(b"again")], context(5, attempt=1, assignment_id=2))

    assert values(pending, {PLACE: 9}) == [b"again"]


@pytest.mark.parametrize("end", ["keep_results", "keep_instead", "note_failure"])
def test_an_attempt_from_before_the_jump_takes_nothing_away(pending, end):
    before = Owned()
    before.until = 5
    pending.keep_results([result(b"again")], context(5, assignment_id=2))

    late = context(5, assignment=before)
    if end == "keep_results":
        pending.keep_results([result(b"late")], late)
    elif end == "keep_instead":
        pending.keep_instead(result(b"late"), late)
    else:
        pending.note_failure(late)

    assert values(pending, {PLACE: 9}) == [b"again"]


def test_a_failure_is_forgotten_with_the_commit_of_its_record(pending):
    pending.note_failure(context(1, attempt=7))
    pending.forget_written({PLACE: 2})
    pending.keep_results([result(b"again")], context(1))

    assert values(pending, {PLACE: 9}) == [b"again"]


def test_the_size_is_that_of_keys_values_and_headers():
    assert size_of(Outgoing("t", None, b"key", b"value", [("h", b"12")])) == 11
    assert size_of(Outgoing("t", None, None, None, [])) == 0
