"""The best possible time of a workload, and the contents of its records."""

from __future__ import annotations

import pytest

from benchmarks.runners.handlers import number_of, seconds_of
from benchmarks.workloads import Workload, all_workloads, list_schedule

WORKLOADS = list(all_workloads().values())


def workload(**changes):
    fields = {"name": "w", "kind": "sleep", "records": 8, "seconds": lambda _: 1.0, "key": lambda number: number % 4}
    return Workload(**{**fields, "workers": 4, **changes})


def test_the_ideal_is_an_even_share_or_the_longest_chain():
    assert workload().ideal("none") == 2
    assert workload().ideal("key") == 2
    assert workload(key=lambda _: 0).ideal("key") == 8
    assert workload(key=lambda _: 0).ideal("none") == 2


def test_taking_in_order_ends_late_if_the_long_one_comes_last():
    assert list_schedule([1, 1, 1, 1, 4], workers=2) == 6
    assert list_schedule([4, 1, 1, 1, 1], workers=2) == 4


@pytest.mark.parametrize("found", WORKLOADS, ids=lambda found: found.name)
def test_a_value_tells_its_number_and_its_handler_time(found):
    for number in (0, found.records - 1):
        value = found.value(number)

        assert number_of(value) == number
        assert seconds_of(value) == pytest.approx(found.seconds(number))
        assert len(value) == found.value_bytes


@pytest.mark.parametrize("found", WORKLOADS, ids=lambda found: found.name)
def test_every_record_has_a_key_the_same_in_every_run(found):
    again = all_workloads()[found.name]

    assert [found.key(number) for number in range(found.records)] == [again.key(n) for n in range(found.records)]


def test_slow_records_are_one_in_a_hundred_and_not_always_of_the_same_keys():
    skewed = all_workloads()["1 % 500 ms, else 2 ms"]
    slow = [number for number in range(skewed.records) if skewed.times[number] > 0.1]

    assert len(slow) == skewed.records // 100
    assert len({skewed.key(number) for number in slow}) == len(slow)
    assert skewed.ideal("key") == skewed.ideal("none")


def test_a_smaller_one_keeps_all_handlers_busy():
    small = workload(records=1000, waiting=500).scaled(0.1)

    assert (small.records, small.waiting) == (100, 50)
    assert workload(records=1000).scaled(0.0001).records == 4
