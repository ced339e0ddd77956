"""Reports are matched with calls whenever that is possible, and a call is missed only if it is not."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from kafka_parallel.testing.simulation.telling import Tellings

CALLS = "abcd"
CANDIDATES = st.lists(st.sets(st.sampled_from(CALLS)).map(sorted), max_size=5)


def covers(tellings, calls):
    """Tell whether each of *tellings* can be about a call of its own so that all *calls* are told of: by trying all."""
    return any(
        set(calls) <= set(order[: len(tellings)])
        and all(call in candidates for call, candidates in zip(order, tellings, strict=False))
        for order in permutations(CALLS)
        if len(tellings) <= len(CALLS)
    )


def test_the_first_choice_may_turn_out_wrong():
    found = Tellings()

    assert found.tell(["a", "b"])
    assert found.tell(["a"])
    assert not found.tell(["a", "b"]), "there are two calls only"
    assert found.missing(["a", "b"]) == []


def test_a_call_is_missing_if_nothing_told_agrees_with_it():
    found = Tellings()
    found.tell(["a", "b"])

    assert found.missing(["b"]) == []
    assert found.missing(["a", "b"]) != []


@given(CANDIDATES, st.sets(st.sampled_from(CALLS)))
def test_everything_is_matched_that_can_be(candidates, calls):
    found, accepted = Tellings(), []
    for told in candidates:
        is_possible = covers([*accepted, told], ())
        assert found.tell(told) == is_possible
        if is_possible:
            accepted.append(told)

    assert (found.missing(sorted(calls)) == []) == covers(accepted, calls)
