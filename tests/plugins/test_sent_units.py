"""The outcomes owed of units are reported right, however the process that has them says it and ends."""

from __future__ import annotations

from collections import Counter

import hypothesis.strategies as st
from hypothesis import given

from kafka_parallel.errors import WorkerDied
from kafka_parallel_plugins.process_pool.messages import Done, Place
from kafka_parallel_plugins.process_pool.sent_units import SentUnits
from kafka_parallel_plugins.sent_errors import raised


@given(
    st.lists(
        st.lists(st.sampled_from(["returns", "returns", "fails"]), min_size=1, max_size=4), min_size=1, max_size=4
    ),
    st.integers(0, 40),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_whatever_a_process_had_said_before_its_end_only_what_returned_counts_as_returned(
    units, dies_at, chance, blamed
):
    """A process does its steps one by one, says some of it at once and some later, and dies between any two of them."""
    batch, steps, told = SentUnits(units), [], []
    returned, failed, at = Counter(), set(), None
    for place, records in enumerate(units):
        for index, ending in enumerate(records):
            steps.append(("begin", place, index))
            steps.append((ending, place, index))
            if ending == "fails":
                break
    unsaid = Counter()

    def report(place, error=None):
        told.extend(batch.done([Done(place, unsaid.pop(place, 0), error)]))

    for step, place, index in steps[:dies_at]:
        if step == "begin":
            at = Place(0, place, index)
        elif step == "fails":
            failed.add(place)
            report(place, raised("handle", ValueError("failed")))
        else:
            returned[place] += 1
            unsaid[place] += 1
            at = Place(0, place, index + 1)
            if chance.random() < 0.4:
                report(place)
    is_running = at is not None and batch.is_running(at)
    told += batch.interrupted(at) if is_running and not blamed else batch.died(at, WorkerDied("died", -9))

    for place, records in enumerate(units):
        mine = [one for one in told if one.unit == place]
        assert sum(one.returned for one in mine) == returned[place]
        errors = [one.error for one in mine if one.error is not None]
        is_hit = is_running and at.unit == place
        assert [type(error) for error in errors] == [ValueError] * (place in failed) + [WorkerDied] * (
            is_hit and blamed
        )
        is_left = returned[place] < len(records) and not errors
        assert any(one.is_unbegun for one in mine) == is_left
    assert not batch.is_open
