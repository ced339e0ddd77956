"""When a partition pauses, and when it may resume."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_parallel._core.buffer_limits import BufferLimits, Load, PauseRules

LIMITS = BufferLimits(records=100, bytes=1000, uncommitted=50)


def pressure(largest=10):
    found = PauseRules(LIMITS)
    found.learn_sizes([largest])
    return found


def test_a_poll_of_which_nothing_was_taken_says_nothing_about_sizes():
    found = PauseRules(LIMITS)

    found.learn_sizes([])

    assert found.room(Load(0, 0)) == 1


def test_one_stuck_partition_alone_holds_half_of_the_buffer():
    assert pressure().pause_reason(Load(49, 49), Load(49, 49)) is None
    assert pressure().pause_reason(Load(50, 50), Load(50, 50)) == "records"


def test_a_partition_that_keeps_up_is_not_paused_for_the_others():
    assert pressure().pause_reason(Load(5, 50), Load(90, 500)) is None
    assert pressure().pause_reason(Load(0, 0), Load(99, 999)) is None


def test_bytes_and_the_span_pause_too():
    assert pressure().pause_reason(Load(1, 600), Load(1, 600)) == "bytes"
    assert pressure().pause_reason(Load(1, 1, span=50), Load(1, 1)) == "uncommitted"


def test_it_resumes_at_half_of_what_paused():
    assert not pressure().may_resume("records", Load(40, 40), Load(40, 40))
    assert pressure().may_resume("records", Load(30, 30), Load(30, 30))
    assert not pressure().may_resume("bytes", Load(4, 400), Load(4, 400))
    assert pressure().may_resume("bytes", Load(3, 300), Load(3, 300))
    assert not pressure().may_resume("uncommitted", Load(13, 13, span=26), Load(13, 13))
    assert pressure().may_resume("uncommitted", Load(13, 13, span=25), Load(13, 13))


def test_a_pause_does_not_wait_for_the_marks_of_other_reasons():
    assert pressure().may_resume("records", Load(1, 1, span=49), Load(1, 1))
    assert pressure().may_resume("bytes", Load(40, 40), Load(40, 40))
    assert pressure().may_resume("a plugin", Load(40, 400, span=49), Load(40, 400))


@pytest.mark.parametrize("reason", ["records", "bytes", "uncommitted", "a plugin"])
def test_it_does_not_resume_what_another_reason_would_pause_again(reason):
    assert not pressure().may_resume(reason, Load(0, 0, span=50), Load(0, 0))
    assert not pressure().may_resume(reason, Load(50, 50), Load(50, 50))
    assert not pressure().may_resume(reason, Load(1, 600), Load(1, 600))
    assert not pressure().may_resume(reason, Load(0, 0), Load(100, 100))


def test_a_partition_does_not_stand_still_below_its_span_for_a_few_records_that_take_long():
    assert pressure().may_resume("uncommitted", Load(1, 1, span=45), Load(1, 1))
    assert not pressure().may_resume("uncommitted", Load(5, 5, span=45), Load(5, 5))


def test_one_record_may_always_come_into_an_empty_buffer():
    assert pressure(largest=10_000_000).room(Load(0, 0)) == 1
    assert pressure(largest=10_000_000).room(Load(1, 1)) == 0


def test_before_any_record_was_seen_it_is_taken_for_a_large_one():
    assert PauseRules(BufferLimits(100, 4 << 20, 50)).room(Load(0, 0)) == 4


@given(st.integers(0, 100), st.integers(0, 1000), st.integers(1, 300))
def test_there_is_never_more_room_than_is_free(records, size, largest):
    room = pressure(largest).room(Load(records, size if records else 0))

    assert room <= max(1, 100 - records)
    if records:
        assert room * largest <= max(0, 1000 - size)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6))
def test_somebody_may_always_be_fetched_or_something_is_buffered(held):
    loads = [Load(records, records) for records in held]
    total = Load(sum(held), sum(held))

    paused = [load for load in loads if pressure().pause_reason(load, total)]

    assert len(paused) < len(loads) or total.records >= 50
