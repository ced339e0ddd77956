"""The offset that may be committed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_parallel._core.offsets import OffsetLedger


def ledger_of(*offsets):
    ledger = OffsetLedger()
    for offset in offsets:
        ledger.add_offsets([offset], [10])
    return ledger


def test_nothing_is_committable_before_the_first_offset():
    assert OffsetLedger().committable is None


def test_the_lowest_unfinished_offset_is_committable():
    ledger = ledger_of(5, 6, 7)

    ledger.finish_offset(6)

    assert ledger.committable == 5
    assert ledger.highest_finished == 6


def test_a_gap_never_holds_the_commit_back():
    ledger = ledger_of(5, 9, 30)

    ledger.finish_offset(5)
    ledger.finish_offset(9)

    assert ledger.committable == 30


def test_one_past_the_newest_is_committable_when_all_are_finished():
    ledger = ledger_of(5, 9)

    ledger.finish_offset(9)
    ledger.finish_offset(5)

    assert (ledger.committable, ledger.records, ledger.bytes) == (10, 0, 0)


def test_a_dropped_offset_is_never_passed():
    ledger = ledger_of(5, 6, 7)

    ledger.drop([6])
    ledger.finish_offset(5)
    ledger.finish_offset(7)

    assert ledger.committable == 6
    assert not ledger.finish_offset(6)


def test_finishing_twice_counts_once():
    ledger = ledger_of(5)

    assert ledger.finish_offset(5)
    assert not ledger.finish_offset(5)
    assert ledger.bytes == 0


def test_an_offset_below_the_newest_is_refused():
    with pytest.raises(ValueError, match="offset 5 is below 6"):
        ledger_of(5, 5)


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=60),
    st.lists(st.tuples(st.booleans(), st.integers(0, 59)), max_size=80),
)
def test_it_agrees_with_a_set(gaps, acts):
    offsets = [sum(gaps[: place + 1]) for place in range(len(gaps))]
    ledger, unfinished, dropped = ledger_of(*offsets), set(offsets), set()

    for finishes, place in acts:
        offset = offsets[place % len(offsets)]
        if finishes:
            assert ledger.finish_offset(offset) == (offset in unfinished)
            unfinished.discard(offset)
        elif offset in unfinished:
            ledger.drop([offset])
            unfinished.discard(offset)
            dropped.add(offset)

        assert ledger.committable == min({*unfinished, *dropped, offsets[-1] + 1})
        assert ledger.records == len(unfinished)
        assert ledger.bytes == 10 * len(unfinished)
        finished = [one for one in offsets if one not in unfinished | dropped]
        above = [
            one for one in finished if one > min(unfinished, default=1 << 60) and one < min(dropped, default=1 << 60)
        ]
        assert ledger.highest_finished == max(above, default=None)
        assert (ledger.finished, ledger.dropped) == (len(finished), len(dropped))
        commit_point, highest = ledger.committable, max(finished, default=-1)
        left = unfinished | dropped
        assert {one for first, end in ledger.finished_ranges() for one in range(first, end)} == {
            one for one in range(commit_point, highest + 1) if one not in left
        }
        if unfinished and not dropped:
            assert ledger.finished_from(min(unfinished)) == sum(one > min(unfinished) for one in finished)
