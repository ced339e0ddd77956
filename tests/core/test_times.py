"""The two ends of time. Kind: the rules of one core module."""

from __future__ import annotations

from kafka_parallel._core.times import AT_ONCE, NEVER


def test_every_time_lies_between_them():
    times = [NEVER, 0.0, 1e300, AT_ONCE, -1e300]

    assert sorted(times) == [AT_ONCE, -1e300, 0.0, 1e300, NEVER]
