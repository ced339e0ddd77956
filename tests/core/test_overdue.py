"""The events around a handler that takes too long: reports, the work that goes on, and the work that has to wait."""

from __future__ import annotations

from kafka_parallel._core.outcome import Failure, NoVerdict
from kafka_parallel.values import Retry, Skip
from tests.core.test_scheduler import feed, offsets_of, run, scheduler

HANDLER = "the stuck one"


def stuck_in_first(*records, limit=9):
    """A worker that took all *records* and is stuck in the first; return the scheduler, its chunk and the record."""
    found = scheduler("p")
    feed(found, "p", *records)
    chunk = found.dispatch.next_chunk(limit, 0.0)
    return found, chunk, next(iter(chunk))


def give_up(found, task, outcome, now=0.0):
    chunk, _ = found.dispatch.detach_stuck(task, now)
    chunk.settle(task, outcome)
    return found.dispatch.expire(chunk, HANDLER, {task.lane}, now)


def test_what_a_stuck_worker_had_not_begun_runs_elsewhere():
    found, chunk, task = stuck_in_first((0, "a"), (1, "a"), (2, "b"), (3, None))

    give_up(found, task, Skip("dead"))

    assert offsets_of(found.dispatch.next_chunk(9, 0.0)) == [2, 3]
    assert found.dispatch.overdue == 1
    assert list(chunk) == []


def test_what_a_stuck_worker_had_finished_counts():
    found = scheduler("p")
    feed(found, "p", (0, None), (1, None))
    chunk = found.dispatch.next_chunk(9, 0.0)
    claims = iter(chunk)
    chunk.settle(next(claims), None)
    next(claims)

    assert found.dispatch.collect_outcomes(0.0) == []

    assert found.snapshot().offsets["p"][0] == 1
    assert found.dispatch.in_flight == 1


def test_the_key_waits_until_the_handler_has_returned():
    found, _, task = stuck_in_first((0, "a"), (1, "a"))
    give_up(found, task, Skip("dead"))

    assert found.snapshot().offsets["p"][0] == 1
    assert found.dispatch.next_chunk(9, 99.0) is None
    found.dispatch.returned(HANDLER, 99.0)

    assert offsets_of(found.dispatch.next_chunk(9, 99.0)) == [1]
    assert found.dispatch.overdue == 0


def test_what_a_stuck_worker_had_not_begun_of_an_ended_assignment_takes_nothing_along():
    """Kind: a record judged by the assignment of the one before it. That of the next assignment was dropped."""
    found, _, task = stuck_in_first((0, "a"), (1, "a"))
    found.end_assignments(["p"])
    give_up(found, task, Skip("dead"))
    found.assign(["p"])
    feed(found, "p", (0, "a"), (1, "a"))
    found.dispatch.returned(HANDLER, 0.0)

    while (chunk := found.dispatch.next_chunk(2, 0.0)) is not None:
        for one in chunk:
            chunk.settle(one, None if one.assignment.live else NoVerdict)
        found.dispatch.take_in_outcomes(chunk, 0.0)

    assert found.snapshot().offsets["p"][0] == 2


def test_a_retry_in_order_waits_for_the_handler_and_then_for_its_delay():
    found, _, task = stuck_in_first((0, "a"), (1, "a"))
    give_up(found, task, Retry(5000))

    assert found.dispatch.next_chunk(9, 99.0) is None
    found.dispatch.returned(HANDLER, 99.0)

    assert found.dispatch.next_due == 104.0
    assert offsets_of(found.dispatch.next_chunk(9, 104.0)) == [0, 1]
    assert task.attempt == 2


def test_a_retry_without_order_waits_for_its_delay_only():
    found, _, task = stuck_in_first((0, None))
    give_up(found, task, Retry(5000))

    assert offsets_of(found.dispatch.next_chunk(9, 5.0)) == [0]


def test_a_handler_may_return_before_it_was_decided():
    found, _, task = stuck_in_first((0, "a"), (1, "a"))
    stuck, _ = found.dispatch.detach_stuck(task, 0.0)
    found.dispatch.returned(HANDLER, 0.0)

    stuck.settle(task, Skip("dead"))
    found.dispatch.expire(stuck, HANDLER, {task.lane}, 0.0)

    assert offsets_of(found.dispatch.next_chunk(9, 0.0)) == [1]
    assert found.dispatch.overdue == 0


def test_a_failure_stops_the_consumer_at_once():
    found, _, task = stuck_in_first((0, "a"), (1, "a"))

    failures = give_up(found, task, Failure(TimeoutError(), "nobody"))

    assert [one.offset for one, _ in failures] == [0]
    found.dispatch.returned(HANDLER, 0.0)
    assert found.dispatch.next_chunk(9, 0.0) is None


def test_a_handler_that_returns_after_its_assignment_frees_the_key():
    found, _, task = stuck_in_first((0, "a"))
    give_up(found, task, Retry(0))
    found.end_assignments(["p"])
    found.assign(["p"])
    feed(found, "p", (0, "a"))

    assert found.dispatch.next_chunk(9, 9.0) is None
    found.dispatch.returned(HANDLER, 9.0)

    assert next(iter(found.dispatch.next_chunk(9, 9.0))).attempt == 2


def test_a_worker_that_has_just_moved_on_is_not_stuck():
    found, chunk, task = stuck_in_first((0, None), (1, None))
    chunk.settle(task, None)

    assert found.dispatch.detach_stuck(task, 0.0) == (None, [])


def test_a_stop_does_not_wait_for_what_was_skipped():
    found, _, task = stuck_in_first((0, "a"))
    give_up(found, task, Skip("dead"))

    found.drain()

    assert found.is_drained()


def test_everything_runs_although_one_handler_never_returns():
    found, _, task = stuck_in_first((0, "a"), (1, "b"), (2, "c"), (3, "b"))
    give_up(found, task, Skip("dead"))

    while (chunk := found.dispatch.next_chunk(1, 0.0)) is not None:
        run(found, chunk)

    assert found.snapshot().offsets["p"][0] == 4
