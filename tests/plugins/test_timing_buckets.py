"""Quantiles from buckets are as close to those of a sorted list as the buckets promise."""

import math

from hypothesis import given
from hypothesis import strategies as st

from kafka_parallel_plugins.timing_metrics.buckets import RELATIVE_ERROR, Buckets, merge, middle, quantile

microseconds = st.integers(0, 300) | st.integers(0, 10**11)
shares = st.floats(0.0001, 1.0)


def filled(durations):
    buckets = Buckets()
    for duration in durations:
        buckets.add_all([duration / 1e6])
    return buckets


def without_end(counts):
    return counts[: max((index + 1 for index, count in enumerate(counts) if count), default=0)]


@given(st.lists(microseconds, min_size=1), shares)
def test_a_quantile_is_as_close_to_the_exact_one_as_promised(durations, share):
    counts, _ = merge([filled(durations)])

    exact = sorted(durations)[math.ceil(share * len(durations)) - 1]
    assert abs(quantile(counts, share) - exact) <= exact * RELATIVE_ERROR


@given(st.lists(st.lists(microseconds)))
def test_merging_parts_is_the_same_as_filling_one(parts):
    whole = filled([duration for part in parts for duration in part])

    counts, largest = merge(map(filled, parts))

    assert without_end(counts) == without_end(whole.counts)
    assert largest == whole.largest


@given(st.integers(0, 3000))
def test_the_middle_of_a_bucket_belongs_to_it(index):
    counts = filled([int(middle(index))]).counts

    assert counts.index(1) == index


def test_small_durations_are_exact():
    assert [quantile(filled([duration]).counts, 1.0) for duration in range(128)] == list(range(128))


def test_a_negative_duration_counts_as_none():
    assert filled([-5]).counts[0] == 1


def test_the_list_is_only_as_long_as_the_longest_duration_needs():
    assert len(filled([16_383]).counts) == 576
    assert len(filled([3_600_000_000]).counts) <= 1_728


@given(st.lists(microseconds | st.integers(-10, 0)), st.lists(microseconds))
def test_many_at_once_are_counted_as_one_by_one(first, second):
    together = Buckets()

    for durations in (first, second):
        together.add_all([duration / 1e6 for duration in durations])

    one_by_one = filled([*first, *second])
    assert without_end(together.counts) == without_end(one_by_one.counts)
    assert together.largest == one_by_one.largest
