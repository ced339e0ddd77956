"""The bounds that plugins may set, and their effect on workers."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from kafka_parallel._core.in_flight_limits import UNBOUNDED, Throttles
from kafka_parallel.values import Retry
from tests.core.test_scheduler import feed, offsets_of, run, scheduler


def test_the_smallest_bound_counts():
    throttles = Throttles()
    throttles.limit("one", 5)
    throttles.limit("two", 3)

    assert throttles.most_in_flight == 3
    assert throttles.bounds == {"one": 5, "two": 3}
    throttles.limit("two", UNBOUNDED)
    assert throttles.most_in_flight == 5
    assert throttles.bounds == {"one": 5}


def test_a_change_holds_when_its_time_has_come_and_is_taken_back_by_a_bound_that_holds_at_once():
    throttles = Throttles()
    throttles.limit("breaker", 0)
    throttles.limit("breaker", 2, since=10.0)

    assert (throttles.closed_by, throttles.next_change) == ("breaker", 10.0)
    throttles.advance(9.9)
    assert throttles.most_in_flight == 0
    throttles.advance(10.0)
    assert (throttles.most_in_flight, throttles.closed_by, throttles.next_change) == (2, None, UNBOUNDED)

    throttles.limit("breaker", 0, since=20.0)
    throttles.limit("breaker", 4)
    throttles.advance(30.0)
    assert throttles.most_in_flight == 4


BOUND = st.one_of(st.none(), st.integers(0, 5))


@given(st.lists(st.tuples(st.sampled_from("ab"), BOUND, st.one_of(st.none(), st.integers(1, 9)), st.integers(0, 3))))
def test_any_history_is_that_of_the_plain_model(calls):
    throttles, model, now = Throttles(), {}, 0
    for name, bound, delay, passes in calls:
        now += passes
        throttles.advance(now)
        bound = UNBOUNDED if bound is None else bound
        past, holds = model.get(name, []), [at for at in model.get(name, []) if at[0] <= now]
        if delay is None:
            throttles.limit(name, bound)
            model[name] = [(now, bound)]
        else:
            throttles.limit(name, bound, since=now + delay)
            model[name] = [*(holds[-1:] if past else []), (now + delay, bound)]
    now += 5
    throttles.advance(now)

    held = [[bound for at, bound in history if at <= now] for history in model.values()]
    assert throttles.most_in_flight == min((bounds[-1] for bounds in held if bounds), default=UNBOUNDED)


def test_no_more_is_taken_than_a_throttle_allows():
    found = scheduler("p")
    feed(found, "p", *((offset, None) for offset in range(6)))
    found.throttles.limit("x", 3)

    first = found.dispatch.next_chunk(2, 0.0)
    second = found.dispatch.next_chunk(2, 0.0)

    assert (offsets_of(first), offsets_of(second)) == ([0, 1], [2])
    assert found.dispatch.ready == 0, "no worker is woken for tasks that may not run"
    run(found, first)
    assert offsets_of(found.dispatch.next_chunk(9, 0.0)) == [3, 4]


def test_a_closed_throttle_pauses_everything_and_an_open_one_resumes_it():
    found = scheduler("p", "q")
    feed(found, "p", (0, None))
    found.throttles.limit("breaker", 0)
    found.throttles.limit("breaker", 1, since=5.0)

    decision = found.backpressure.decide_pauses(["p"], 1.0)
    assert decision.pause == {"p": "breaker", "q": "breaker"}
    assert decision.is_all_paused
    assert decision.room == 0
    assert found.dispatch.next_chunk(1, 4.9) is None
    assert not found.wants_more
    assert found.dispatch.next_due == 5.0

    assert found.backpressure.decide_pauses([], 5.0).resume == {"p", "q"}
    assert offsets_of(found.dispatch.next_chunk(9, 5.0)) == [0]


def test_retries_take_no_more_than_their_share():
    found = scheduler("p")
    feed(found, "p", *((offset, None) for offset in range(8)))
    found.throttles.limit_retries("retry", 2)
    for _ in range(4):
        run(found, found.dispatch.next_chunk(1, 0.0), Retry(100))

    due = found.dispatch.next_chunk(9, 1.0)
    assert offsets_of(due) == [0, 1, 4, 5, 6, 7]
    assert found.dispatch.waiting == 2
    assert found.dispatch.next_due is None, "no use in looking again before one of them ends"
    run(found, due, now=1.0)
    assert offsets_of(found.dispatch.next_chunk(9, 1.0)) == [2, 3]


def test_a_retry_that_was_dropped_makes_room_for_others():
    found = scheduler("p", "q")
    found.throttles.limit_retries("retry", 1)
    feed(found, "p", (0, None))
    feed(found, "q", (0, None))
    run(found, found.dispatch.next_chunk(2, 0.0), Retry(0))
    found.throttles.limit("x", 0)
    assert found.dispatch.next_chunk(9, 1.0) is None, "the retry of p is let go on, and may not be taken"

    found.end_assignments(["p"])
    found.throttles.limit("x", UNBOUNDED)

    assert len(offsets_of(found.dispatch.next_chunk(9, 1.0))) == 1


def test_leaving_does_not_wait_for_a_retry_that_falls_due_later():
    found = scheduler("p")
    feed(found, "p", *((offset, "a" if offset < 2 else None) for offset in range(5)))
    failing, running = found.dispatch.next_chunk(2, 0.0), found.dispatch.next_chunk(1, 0.0)
    next(iter(running))
    for task in failing:
        failing.settle(task, Retry(3_600_000))
        break
    found.dispatch.take_in_outcomes(failing, 0.0)
    assert not found.is_drained()

    found.drain(end=30.0)

    assert offsets_of(running) == []
    assert found.dispatch.next_chunk(9, 1.0) is None, "records above the retry will be repeated anyway"
    running.settle(running.current, None)
    found.dispatch.take_in_outcomes(running, 1.0)
    assert found.is_drained()
    assert found.snapshot().offsets == {"p": (0, -1)}
    assert found.end_assignments(["p"])["p"].resume_at == 0
    found.assign(["p"])
    feed(found, "p", (0, "a"))
    assert next(iter(found.dispatch.next_chunk(1, 2.0))).attempt == 2


def test_leaving_does_not_wait_for_a_record_that_fails_meanwhile_and_may_only_run_later():
    found = scheduler("p")
    feed(found, "p", (0, "a"), (1, "a"), (2, None))
    failing, done = found.dispatch.next_chunk(2, 0.0), found.dispatch.next_chunk(1, 0.0)
    run(found, done)
    begun = next(iter(failing))

    found.drain(end=30.0)
    failing.settle(begun, Retry(60_000))
    found.dispatch.take_in_outcomes(failing, 1.0)

    assert found.is_drained()
    assert found.backpressure.total().records == 0
    assert found.snapshot().offsets == {"p": (0, -1)}


def test_leaving_does_wait_for_a_retry_that_falls_due_in_time():
    found = scheduler("p")
    feed(found, "p", (0, None), (1, None))
    run(found, found.dispatch.next_chunk(1, 0.0), Retry(1000))
    run(found, found.dispatch.next_chunk(1, 0.0))

    found.drain(end=30.0)

    assert not found.is_drained()
    assert run(found, found.dispatch.next_chunk(1, 1.0), now=1.0) == []
    assert found.snapshot().offsets == {"p": (2, 3)}


def test_leaving_does_not_wait_for_what_a_closed_throttle_holds_back():
    found = scheduler("p")
    feed(found, "p", (0, "a"), (1, "a"), (2, "b"))
    first = found.dispatch.next_chunk(1, 0.0)
    run(found, found.dispatch.next_chunk(1, 0.0))
    found.throttles.limit("breaker", 0)
    found.throttles.limit("breaker", 1, since=60.0)

    found.drain(end=30.0)
    run(found, first)

    assert found.is_drained()
    assert found.snapshot().offsets == {"p": (1, 3)}
