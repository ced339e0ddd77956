"""Partitions that stand still, and the obstacles of their records. Kind: silence at a standstill."""

from __future__ import annotations

import pytest

from kafka_parallel._core.rate_limits import TokenBuckets
from kafka_parallel._runtime.loop.sentences import waits_for
from kafka_parallel.values import Retry, Skip
from tests.core.test_scheduler import feed, run, scheduler
from tests.core.test_start_limit import AtMostPerGroup


def standing(found, now=0.0):
    return found.standing("p", now)


def test_nothing_stands_where_nothing_is_unfinished():
    found = scheduler("p")

    assert standing(found) is None
    feed(found, "p", (0, "a"))
    run(found, found.dispatch.next_chunk(1, 0.0))
    assert standing(found) is None
    assert found.unfinished() == {}
    assert found.standing("elsewhere", 0.0) is None


def test_a_record_whose_handler_runs():
    found = scheduler("p")
    feed(found, "p", (7, "a"), (8, "b"))
    next(iter(found.dispatch.next_chunk(1, 0.0)))
    run(found, found.dispatch.next_chunk(1, 0.0))

    assert found.unfinished() == {"p": 7}
    assert standing(found)[:3] == (7, "handler", 1)
    assert standing(found).finished == 1


def test_a_record_that_waits_for_its_next_attempt():
    found = scheduler("p")
    feed(found, "p", (0, "a"), (1, "a"))
    run(found, found.dispatch.next_chunk(1, 0.0), Retry(90_000), now=5.0)

    assert standing(found)[:4] == (0, "retry", 2, 95.0)


def test_a_record_that_a_plugin_keeps_from_starting():
    found = scheduler("p")
    feed(found, "p", (0, "a"))
    found.throttles.limit("circuit-breaker", 0)

    assert standing(found).reason == "throttle"
    assert standing(found).plugin == "circuit-breaker"


@pytest.mark.parametrize("key", ["a", None])
def test_a_record_that_waits_for_a_worker(key):
    found = scheduler("p")
    feed(found, "p", (0, key))

    assert standing(found)[:2] == (0, "worker")


@pytest.mark.parametrize("by", ["set_by_lane", "set_overall"])
def test_a_record_that_its_pace_lets_start_later(by):
    found = scheduler("p")
    getattr(found.throttles.rates, by)("rate-limit", TokenBuckets(0.5, 1), 0.0)
    feed(found, "p", (0, "a"), (1, "a"))
    run(found, found.dispatch.next_chunk(1, 0.0))
    assert found.dispatch.next_chunk(1, 0.5) is None

    assert standing(found, 0.5)[:4] == (1, "rate", 1, 2.0)


@pytest.mark.parametrize("key", [None, "a"], ids=["without order", "by key"])
def test_a_record_that_a_limit_holds_back_until_another_one_ends(key):
    found = scheduler("p", "q")
    found.throttles.set_limit(AtMostPerGroup(1, lambda _: "all"))
    feed(found, "q", (0, None))
    feed(found, "p", (0, key))
    found.dispatch.next_chunk(1, 0.0)
    assert found.dispatch.next_chunk(1, 0.0) is None

    found = standing(found)
    assert (found.reason, found.due, found.limit) == ("limit", None, "a limit of 1 per group")
    assert waits_for(found, 0.0) == "a limit of 1 per group holds it back"


def test_a_record_behind_one_of_its_key_that_an_earlier_assignment_left_running():
    found = scheduler("p")
    feed(found, "p", (0, "a"))
    next(iter(found.dispatch.next_chunk(1, 0.0)))
    found.end_assignments(["p"])
    found.assign(["p"])
    feed(found, "p", (1, "a"))

    assert standing(found)[:2] == (1, "key")
    assert standing(found).behind == 0


def test_a_record_that_an_earlier_assignment_left_running():
    found = scheduler("p")
    feed(found, "p", (0, "a"))
    next(iter(found.dispatch.next_chunk(1, 0.0)))
    found.end_assignments(["p"])
    found.assign(["p"])
    feed(found, "p", (0, "a"))

    assert standing(found)[:2] == (0, "handler")
    assert standing(found).is_earlier


def test_a_record_that_was_skipped_stands_no_more():
    found = scheduler("p")
    feed(found, "p", (0, "a"), (1, "b"))
    run(found, found.dispatch.next_chunk(1, 0.0), Skip("dead"))

    assert standing(found).offset == 1
