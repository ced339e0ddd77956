"""Partitions that stand still, the obstacles of their records, gaps of the loop. Kind: silence at a standstill."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_parallel._core.gaps import Gaps
from kafka_parallel._core.rate_limits import TokenBuckets
from kafka_parallel._core.unchanged import Unchanged
from kafka_parallel.values import Retry, Skip
from tests.core.test_scheduler import feed, run, scheduler

AGAIN_AFTER = 60.0


def test_a_partition_is_told_of_once_it_stood_long_enough_and_then_once_a_minute():
    stands = Unchanged(10.0, AGAIN_AFTER)

    assert stands.look({"p": 5}, 0.0) == {}
    assert stands.look({"p": 5}, 9.0) == {}
    assert stands.look({"p": 5}, 10.0) == {"p": 10.0}
    assert stands.look({"p": 5}, 20.0) == {}
    assert stands.look({"p": 5}, 10.0 + AGAIN_AFTER) == {"p": 10.0 + AGAIN_AFTER}


def test_a_partition_that_moves_or_empties_starts_anew():
    stands = Unchanged(10.0, AGAIN_AFTER)
    stands.look({"p": 5, "q": 1}, 0.0)

    assert stands.look({"p": 6, "q": 1}, 10.0) == {"q": 10.0}
    assert stands.look({"p": 6}, 20.0) == {"p": 10.0}
    assert stands.look({"p": 6, "q": 1}, 21.0) == {}
    assert stands.look({"p": 6, "q": 1}, 31.0) == {"q": 10.0}


@given(st.lists(st.tuples(st.integers(1, 40), st.dictionaries(st.sampled_from("pq"), st.integers(0, 2))), max_size=40))
def test_what_is_told_stood_at_every_look_for_as_long_as_is_said(looks):
    stands, now, seen = Unchanged(30.0, AGAIN_AFTER), 0.0, []
    for passed, offsets in looks:
        now += passed
        seen.append((now, offsets))
        for partition, seconds in stands.look(offsets, now).items():
            since = [at for at, _ in seen if at >= now - seconds]
            assert seconds >= 30.0
            assert since[0] == now - seconds
            assert {found.get(partition) for at, found in seen if at >= since[0]} == {offsets[partition]}


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


def test_a_record_behind_one_of_its_key_that_an_earlier_assignment_left_running():
    found = scheduler("p")
    feed(found, "p", (0, "a"))
    next(iter(found.dispatch.next_chunk(1, 0.0)))
    found.end_assignments(["p"])
    found.assign(["p"])
    feed(found, "p", (0, "a"))

    assert standing(found)[:2] == (0, "key")


def test_a_record_that_was_skipped_stands_no_more():
    found = scheduler("p")
    feed(found, "p", (0, "a"), (1, "b"))
    run(found, found.dispatch.next_chunk(1, 0.0), Skip("dead"))

    assert standing(found).offset == 1


def test_the_longest_gap_is_the_longest_of_those_that_ended_lately():
    gaps = Gaps()
    for now in (0.0, 0.1, 8.1, 8.2, 10.3):
        gaps.note_round(now)

    assert gaps.longest(0.0, 10.4) == pytest.approx(8.0)
    assert gaps.longest(9.0, 10.4) == pytest.approx(2.1)
    assert gaps.longest(11.0, 10.4) == pytest.approx(0.1)
    assert gaps.longest(11.0, 15.3) == pytest.approx(5.0)
    assert Gaps().longest(0.0, 1.0) == 0.0
