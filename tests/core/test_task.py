"""A task knows its attempts, and a lane keeps its order, however many tasks it holds."""

from __future__ import annotations

from collections import deque

import pytest

from kafka_parallel._core.assignment import Past
from kafka_parallel._core.task import FEW, Lane, Task


def tasks(count):
    return [Task(None, offset, "a", 1, 0.0) for offset in range(count)]


def lane_of(waiting):
    lane = Lane("a", {})
    for task in waiting:
        lane.add_last(task)
    return lane


@pytest.mark.parametrize("count", [1, FEW, FEW + 1, 3 * FEW])
@pytest.mark.parametrize("limit", [1, 2, FEW, 100])
def test_the_oldest_of_a_lane_are_claimed_in_order_however_many_wait(count, limit):
    all_of_them = tasks(count)
    lane = lane_of(all_of_them)

    assert [*lane.claim(limit)] == all_of_them[:limit]
    assert [*lane.waiting] == all_of_them[limit:]


def test_a_lane_is_held_once_something_of_it_was_claimed():
    lane = lane_of(tasks(2))
    assert not lane.held

    lane.claim(1)

    assert lane.held


@pytest.mark.parametrize("count", [3, FEW + 3])
def test_what_goes_back_to_its_lane_stands_in_front_again(count):
    all_of_them = tasks(count)
    lane = lane_of(all_of_them)

    lane.add_first(lane.claim(2))
    assert [*lane.waiting] == all_of_them

    taken = [*lane.claim(count)]
    lane.add_last(taken.pop())
    lane.add_first(taken)
    assert [*lane.waiting] == all_of_them


def test_a_lane_with_few_tasks_needs_no_deque():
    assert type(lane_of(tasks(FEW)).waiting) is tuple
    assert type(lane_of(tasks(FEW + 1)).waiting) is deque


def test_a_task_is_a_unit_of_its_own():
    (task,) = tasks(1)

    assert task.tasks == (task,)


def test_a_later_task_of_a_record_goes_on_where_an_earlier_one_ended():
    earlier, later = tasks(2)
    earlier.recall(Past(3, 17.0, 5.0))

    later.recall(earlier.past)

    assert (later.attempt, later.first_failed_at_ms, later.failing_since) == (3, 17.0, 5.0)
