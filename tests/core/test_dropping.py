"""Records that are dropped with others: none overtakes a dropped one. Kind: the rules of one core module."""

from __future__ import annotations

import pytest

from kafka_parallel._core.assignment import Assignments
from kafka_parallel._core.dropping import with_those_behind
from kafka_parallel._core.task import Lane, Task

END = 5.0


class World:
    """Assignments p, q and r, which share their lanes, and lanes in which records such as "p0" stand."""

    def __init__(self, *lanes, leaving="pqr"):
        found = Assignments(lambda _: "all")
        self.assignments = {name: found.assign(name, start=0) for name in "pqr"}
        for name in leaving:
            found.begin_leaving(name, END)
        self.lanes = [self._lane(names.split()) for names in lanes]

    def _lane(self, names):
        lane = Lane("key", {}, tuple(self.task(name) for name in names))
        for task in lane.waiting:
            task.lane = lane
        return lane

    def task(self, name):
        task = Task(None, int(name[1:]), "key", 1, 0.0)
        task.assignment = self.assignments[name[0]]
        return task

    def ceilings(self, retries=(), blocked=(), **given):
        by_assignment = {self.assignments[name]: ceiling for name, ceiling in given.items()}
        found = with_those_behind(by_assignment, self.lanes, retries, blocked)
        return {str(assignment.partition): ceiling for assignment, ceiling in found.items()}


def test_nothing_is_lowered_where_lanes_end_at_their_partition():
    assert World("p0 p1 p2", "q0 q3").ceilings(p=1, q=2) == {"p": 1, "q": 2}


def test_a_record_behind_a_dropped_one_is_dropped_with_all_above_it():
    assert World("p0 p1 q4 q5").ceilings(p=0, q=9) == {"p": 0, "q": 3}


def test_a_record_in_front_of_a_dropped_one_stays():
    assert World("q4 p1").ceilings(p=0, q=9) == {"p": 0, "q": 9}


def test_one_goes_on_whose_partition_stays():
    assert World("p1 q4", leaving="p").ceilings(p=0) == {"p": 0}


def test_a_partition_that_began_to_leave_before_is_lowered_too():
    assert World("p1 q4", leaving="pq").ceilings(p=0) == {"p": 0, "q": 3}


def test_a_lowered_ceiling_may_lower_others():
    assert World("r2 q9", "p1 q4", "q5 r2").ceilings(p=0, q=9, r=9) == {"p": 0, "q": 3, "r": 1}


@pytest.mark.parametrize(("ceiling", "lowered"), [(-1, 3), (0, 9)], ids=["dropped", "kept"])
def test_a_retry_stands_in_front_of_its_lane(ceiling, lowered):
    world = World("q4")
    retry = world.task("p0")
    retry.lane = world.lanes[0]

    assert world.ceilings(retries=[retry], p=ceiling, q=9)["q"] == lowered


def test_nothing_runs_any_more_in_a_lane_that_is_blocked():
    world = World("q4 q5", "q6")

    assert world.ceilings(blocked=world.lanes[:1], q=9) == {"q": 3}
