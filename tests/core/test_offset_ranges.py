"""Offsets as ranges: the same as a set, whatever the ranges are. Kind: a model."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_parallel._core.offset_ranges import OffsetRanges

RANGES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=8)


@given(RANGES, st.integers(0, 31))
def test_it_agrees_with_a_set(ranges, offset):
    found, model = OffsetRanges(ranges), {one for first, end in ranges for one in range(first, end)}

    assert {one for one in range(40) if one in found} == model
    assert {one for first, end in found for one in range(first, end)} == model
    assert bool(found) == bool(model)
    assert {one for one in range(40) if one in found.at_or_above(offset)} == {one for one in model if one >= offset}


@given(RANGES)
def test_the_ranges_are_in_order_and_none_touches_the_next(ranges):
    found = [*OffsetRanges(ranges)]

    assert all(first < end for first, end in found)
    assert all(end < following for (_, end), (following, _) in pairwise(found))


@pytest.mark.parametrize("offset", [0, 1, 2**31, 2**62])
def test_a_range_of_any_length_costs_the_same(offset):
    assert offset in OffsetRanges([(0, 2**62 + 1)])
    assert [*OffsetRanges([(0, 2**63)]).at_or_above(offset)] == [(offset, 2**63)]
