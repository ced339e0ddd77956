"""Times in which the loop did not come round."""

from __future__ import annotations

import pytest

from kafka_parallel._core.gaps import Gaps


def test_the_longest_gap_is_the_longest_of_those_that_ended_lately():
    gaps = Gaps()
    for now in (0.0, 0.1, 8.1, 8.2, 10.3):
        gaps.note_round(now)

    assert gaps.longest(0.0, 10.4) == pytest.approx(8.0)
    assert gaps.longest(9.0, 10.4) == pytest.approx(2.1)
    assert gaps.longest(11.0, 10.4) == pytest.approx(0.1)
    assert gaps.longest(11.0, 15.3) == pytest.approx(5.0)
    assert Gaps().longest(0.0, 1.0) == 0.0


def test_a_loop_that_comes_round_has_no_gap():
    gaps = Gaps()
    for tenth in range(20):
        gaps.note_round(tenth / 10)

    assert gaps.longest(0.0, 1.9) == pytest.approx(0.0)


def test_a_gap_that_still_lasts_counts():
    gaps = Gaps()
    gaps.note_round(1.0)

    assert gaps.longest(0.0, 8.0) == 7.0


def test_before_the_first_look_there_is_none():
    assert Gaps().longest(0.0, 8.0) == 0.0
