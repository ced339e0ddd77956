"""Workers get tasks; an outcome changes the record, its lane and its assignment."""

from __future__ import annotations

import pytest

from kafka_parallel._core.outcome import Failure, NoVerdict
from kafka_parallel.values import Retry, Skip
from tests.core.test_scheduler import feed, offsets_of, run, scheduler

BROKEN = Failure(ValueError(), "no plugin")


def fed(*records):
    found = scheduler("p")
    feed(found, "p", *records)
    return found


def take(found, limit=9, now=0.0):
    chunk = found.dispatch.next_chunk(limit, now)
    return [] if chunk is None else offsets_of(chunk)


def test_what_arrived_first_is_taken_first():
    assert take(fed((0, None), (1, None), (2, None)), limit=2) == [0, 1]


def test_no_more_is_taken_than_plugins_let_be_in_flight():
    found = fed((0, None), (1, None), (2, None))
    found.throttles.limit("x", 2)

    assert take(found) == [0, 1]
    assert found.dispatch.ready == 0


def test_a_record_that_was_handled_is_finished_and_its_key_goes_on():
    found = fed((0, "a"), (1, "a"))
    run(found, found.dispatch.next_chunk(1, 0.0))

    assert found.dispatch.totals.processed == 1
    assert found.snapshot().offsets == {"p": (1, 3)}
    assert take(found) == [1]


def test_a_record_that_was_skipped_is_finished_and_counted_as_failed():
    found = fed((0, "a"), (1, "a"))
    run(found, found.dispatch.next_chunk(1, 0.0), Skip("bad"))

    totals = found.dispatch.totals
    assert (totals.processed, totals.failed, totals.skipped) == (0, 1, 1)
    assert found.snapshot().offsets == {"p": (1, 3)}
    assert take(found) == [1]


def test_a_key_waits_until_its_failed_record_has_run_again():
    found = fed((0, "a"), (1, "a"), (2, "b"))
    run(found, found.dispatch.next_chunk(1, 0.0), Retry(1000))

    assert take(found) == [2]
    assert (found.dispatch.waiting, found.dispatch.next_due) == (1, 1.0)
    chunk = found.dispatch.next_chunk(1, 1.0)
    assert [(task.offset, task.attempt) for task in [next(iter(chunk))]] == [(0, 2)]


def test_a_record_without_a_verdict_runs_again_at_once_and_was_no_attempt():
    found = fed((0, "a"))
    run(found, found.dispatch.next_chunk(1, 0.0), NoVerdict)

    assert next(iter(found.dispatch.next_chunk(1, 0.0))).attempt == 1
    assert found.dispatch.totals.failed == 0


def test_a_failure_that_stops_is_told_and_nothing_above_it_begins_any_more():
    found = fed((0, None), (1, "a"), (2, None), (3, "a"))
    run(found, found.dispatch.next_chunk(1, 0.0))
    (failure,) = run(found, found.dispatch.next_chunk(1, 0.0), BROKEN)

    assert (failure[0].offset, failure[1]) == (1, BROKEN)
    assert take(found) == []
    assert found.snapshot().offsets == {"p": (1, 3)}


@pytest.mark.parametrize("outcome", [None, Skip("bad"), BROKEN])
def test_an_outcome_under_an_assignment_that_has_ended_changes_only_the_lane(outcome):
    found = fed((0, "a"))
    chunk = found.dispatch.next_chunk(1, 0.0)
    found.end_assignments(["p"])
    found.assign(["p"])
    feed(found, "p", (0, "a"))
    assert take(found) == [], "the lane is held by the handler of before"

    run(found, chunk, outcome)

    assert found.dispatch.totals.processed == found.dispatch.totals.skipped == 0
    assert found.snapshot().offsets == {"p": (0, -1)}
    assert take(found) == [0]


def test_an_attempt_that_failed_under_an_ended_assignment_is_remembered():
    found = fed((0, "a"))
    chunk = found.dispatch.next_chunk(1, 0.0)
    found.end_assignments(["p"])
    run(found, chunk, Retry(1000))

    found.assign(["p"])
    feed(found, "p", (0, "a"))

    assert next(iter(found.dispatch.next_chunk(1, 0.0))).attempt == 2


def test_what_a_worker_has_settled_is_collected_although_it_is_at_its_next_record():
    found = fed((0, None), (1, None))
    chunk = found.dispatch.next_chunk(2, 0.0)
    claiming = iter(chunk)
    chunk.settle(next(claiming), None)
    next(claiming)

    assert found.dispatch.collect_outcomes(0.0) == []

    assert found.dispatch.totals.processed == 1
    assert found.dispatch.in_flight == 1


def test_what_has_not_begun_may_run_elsewhere_once_it_was_taken_back():
    found = fed((0, None), (1, "a"), (2, "a"))
    next(iter(found.dispatch.next_chunk(9, 0.0)))

    found.dispatch.reclaim()

    assert found.dispatch.in_flight == 1
    assert take(found) == [1, 2]


def test_a_handler_that_takes_too_long_keeps_nothing_but_its_lane():
    found = fed((0, "a"), (1, "a"), (2, "b"))
    current = next(iter(found.dispatch.next_chunk(9, 0.0)))

    stuck, failures = found.dispatch.detach_stuck(current, 5.0)

    assert failures == []
    assert take(found, now=5.0) == [2]
    stuck.settle(current, Skip("too late"))
    found.dispatch.expire(stuck, "the handler", [current.lane], 5.0)
    assert take(found, now=5.0) == []
    assert found.dispatch.overdue == 1

    found.dispatch.returned("the handler", 6.0)
    assert take(found, now=6.0) == [1]
    assert found.dispatch.overdue == 0


def test_a_handler_that_returns_before_its_record_was_decided_frees_its_lane_then():
    found = fed((0, "a"), (1, "a"))
    current = next(iter(found.dispatch.next_chunk(1, 0.0)))
    stuck, _ = found.dispatch.detach_stuck(current, 5.0)
    found.dispatch.returned("the handler", 5.0)
    assert take(found, now=5.0) == []

    stuck.settle(current, Skip("too late"))
    found.dispatch.expire(stuck, "the handler", [current.lane], 5.0)

    assert take(found, now=5.0) == [1]


def test_a_retry_that_was_handled_makes_room_for_the_next():
    found = fed((0, None), (1, None))
    found.throttles.limit_retries("x", 1)
    for _ in range(2):
        run(found, found.dispatch.next_chunk(1, 0.0), Retry(1))

    first = found.dispatch.next_chunk(9, 1.0)
    assert take(found, now=1.0) == []
    run(found, first)

    assert len(take(found, now=1.0)) == 1


def test_nothing_falls_due_where_nothing_waits_for_a_time():
    assert fed((0, "a")).dispatch.next_due is None
