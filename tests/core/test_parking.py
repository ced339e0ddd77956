"""Lanes and records without order that may not start yet. Kind: the rules of one core module."""

from __future__ import annotations

import pytest

from kafka_parallel._core.parking import Parking
from kafka_parallel._core.rate_limits import RateLimits
from kafka_parallel._core.times import NEVER
from tests.core.test_ordering import filled, offsets


def parked(*keys, until):
    """Take all units out of a queue of records with these *keys*, and park each until the time of its turn."""
    queue, _ = filled(*keys)
    parking = Parking()
    for unit, time in zip([queue.pop_units(1)[0] for _ in until], until, strict=True):
        parking.park(queue, unit, time, RateLimits(parking, []))
    return queue, parking


@pytest.mark.parametrize("keys", [(None, None), ("a", "b")], ids=["without order", "by key"])
def test_each_goes_back_when_its_time_has_come(keys):
    queue, parking = parked(*keys, until=[2.0, 1.0])

    parking.release_due(queue, 0.9)
    assert offsets(queue.pop_units(9)) == []
    parking.release_due(queue, 1.0)
    assert offsets(queue.pop_units(9)) == [[1]]
    parking.release_due(queue, 2.0)
    assert offsets(queue.pop_units(9)) == [[0]]
    assert parking.waiting == []


def test_a_parked_lane_keeps_its_records_in_order():
    queue, parking = parked("a", "a", until=[1.0])
    assert offsets(queue.pop_units(9)) == []

    parking.release_due(queue, 1.0)

    assert offsets(queue.pop_units(9)) == [[0, 1]]


@pytest.mark.parametrize("keys", [(None, None), ("a", "b")], ids=["without order", "by key"])
def test_one_that_waits_for_another_record_goes_back_when_all_are_asked_again(keys):
    queue, parking = parked(*keys, until=[NEVER, 5.0])
    parking.release_due(queue, 4.0)
    assert offsets(queue.pop_units(9)) == []

    parking.look_again()
    parking.release_due(queue, 4.0)

    assert offsets(queue.pop_units(9)) == [[0], [1]]


def test_it_tells_until_when_one_waits_and_for_which_limit():
    queue, _ = filled("a", None)
    lane, loose = (queue.pop_units(1)[0] for _ in range(2))
    parking = Parking()
    limits = RateLimits(parking, []), RateLimits(parking, [])
    assert parking.entry_of(lane) is None

    parking.park(queue, lane, 1.0, limits[0])
    parking.park(queue, loose, NEVER, limits[1])

    entries = parking.entry_of(lane), parking.entry_of(loose)
    assert [(entry.due, entry.limit) for entry in entries] == [(1.0, limits[0]), (None, limits[1])]


def test_a_dropped_record_is_forgotten():
    queue, parking = parked(None, None, until=[1.0, 1.0])
    first, second = sorted(parking.unordered_tasks(), key=lambda task: task.offset)

    parking.forget_dropped({first})
    parking.release_due(queue, 1.0)

    assert parking.unordered_tasks() == []
    assert queue.pop_units(9) == [second]
