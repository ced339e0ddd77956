"""One view of all obstacles: the records that hold commit points, the partitions that are not fetched."""

from __future__ import annotations

from kafka_parallel._core.obstacles import obstacles
from kafka_parallel._core.outcome import Failure
from kafka_parallel.values import Retry
from tests.core.test_scheduler import feed, run, scheduler


def test_nothing_is_in_the_way_of_nothing():
    found = obstacles(scheduler("p"), 0.0)

    assert found.heads == {}
    assert found.paused_for == {}
    assert found.closed_by is None
    assert (found.assigned, found.in_flight) == (1, 0)


def test_the_head_of_each_partition_with_its_record():
    queue = scheduler("p", "q")
    feed(queue, "p", (7, "a"), (8, "b"))
    feed(queue, "q", (3, "a"))
    run(queue, queue.dispatch.next_chunk(1, 0.0), Retry(10_000))

    found = obstacles(queue, 0.0)

    assert {partition: head.standing[:2] for partition, head in found.heads.items()} == {
        "p": (7, "retry"),
        "q": (3, "worker"),
    }
    assert found.unfinished == {"p": 2, "q": 1}


def test_the_error_and_the_begin_of_a_row_of_failures():
    queue = scheduler("p")
    feed(queue, "p", (0, "a"))
    chunk = queue.dispatch.next_chunk(1, 0.0)
    task = next(iter(chunk))
    task.failed_by, task.failing_since = "ValueError", 4.0
    chunk.settle(task, Retry(10_000))
    queue.dispatch.take_in_outcomes(chunk, 5.0)

    standing = obstacles(queue, 6.0).heads["p"].standing

    assert (standing.error, standing.since, standing.due) == ("ValueError", 4.0, 15.0)


def test_a_partition_whose_next_record_is_not_due():
    queue = scheduler("p")
    queue.backpressure.defer("p", 30.0)
    queue.backpressure.decide_pauses([], 1.0)

    found = obstacles(queue, 1.0)

    assert found.paused_for == {"p": "not due"}
    assert found.held_until == {"p": 30.0}


def test_a_record_behind_one_of_its_key_that_runs_under_an_earlier_assignment():
    queue = scheduler("p")
    feed(queue, "p", (5, "a"))
    next(iter(queue.dispatch.next_chunk(1, 0.0)))
    queue.end_assignments(["p"])
    queue.assign(["p"], {}, {"p": 5})
    feed(queue, "p", (5, "a"), (6, "a"))

    standing = obstacles(queue, 1.0).heads["p"].standing

    assert (standing.reason, standing.is_earlier) == ("handler", True)


def test_a_throttle_that_is_closed():
    queue = scheduler("p")
    queue.throttles.limit("circuit-breaker", 0)

    assert obstacles(queue, 0.0).closed_by == "circuit-breaker"


def test_a_halted_record_has_no_task_any_more():
    queue = scheduler("p")
    feed(queue, "p", (0, "a"))
    run(queue, queue.dispatch.next_chunk(1, 0.0), Failure(ValueError(), "no plugin"))

    found = obstacles(queue, 0.0)

    assert all(head.record is None for head in found.heads.values())
