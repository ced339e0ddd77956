"""Tasks that no worker has, and the ones of them that are dropped."""

from __future__ import annotations

import pytest

from kafka_parallel._core.assignment import Assignments, Past
from kafka_parallel._core.backlog import Backlog
from kafka_parallel._core.finished_before import FinishedBefore
from kafka_parallel._core.parking import Parking
from kafka_parallel._core.task import Task

NOW = 0.0


class World:
    """One partition and its backlog."""

    def __init__(self, *keys):
        self.backlog = Backlog(None, Parking())
        self.assignment = Assignments().assign("p", start=0)
        self.tasks = [Task(None, offset, key, 1, NOW) for offset, key in enumerate(keys)]

    def feed(self):
        self.backlog.feed(self.assignment, self.tasks, others=0)
        return self

    def unstarted(self):
        return sorted(task.offset for task in self.backlog.unstarted([self.assignment])[self.assignment])

    def drop_above(self, offset):
        self.backlog.drop_above({self.assignment: offset})

    def take(self, limit=9):
        return self.backlog.ready.pop_units(limit)


def test_every_task_that_comes_belongs_to_its_assignment_and_its_ledger():
    world = World("a", None).feed()

    assert {task.assignment for task in world.tasks} == {world.assignment}
    assert world.assignment.ledger.records == 2


def test_what_was_handled_elsewhere_finishes_on_arrival():
    world = World("a", "a", None)
    world.assignment.finished_before = FinishedBefore([(0, 1), (2, 3)])
    world.feed()

    assert world.unstarted() == [1]
    assert world.assignment.ledger.committable == 1


def test_a_record_that_comes_again_goes_on_with_its_attempts():
    world = World("a", "a")
    world.assignment.attempts[1] = Past(3, 17.0, 5.0)
    world.feed()

    assert [task.attempt for task in world.tasks] == [1, 3]


def test_no_worker_has_what_waits_in_a_lane_without_order_or_for_its_retry():
    world = World("a", "a", None, "b").feed()
    (unit,) = world.take(1)
    world.backlog.retries.schedule(unit.tasks[0], due=5.0)

    assert world.unstarted() == [0, 1, 2, 3]

    world.take(1)

    assert len(world.unstarted()) == 3


def test_the_commit_point_never_passes_what_was_dropped():
    world = World(None, None, None).feed()
    world.drop_above(0)

    assert world.unstarted() == [0]
    for offset in range(3):
        world.assignment.finish_offset(offset)
    assert world.assignment.ledger.committable == 1


@pytest.mark.parametrize("keys", [("a", "a", "a"), (None, None, None), ("a", "b", None)])
def test_only_what_is_above_the_ceiling_is_dropped(keys):
    world = World(*keys).feed()

    world.drop_above(1)

    assert world.unstarted() == [0, 1]


def test_other_assignments_keep_what_they_have():
    world = World("a", None).feed()

    world.backlog.drop_above({})

    assert world.unstarted() == [0, 1]


def test_a_lane_is_released_when_the_retry_that_holds_it_is_dropped():
    world = World("a").feed()
    (unit,) = world.take()
    (task,) = unit.tasks
    world.backlog.retries.schedule(task, due=5.0)

    world.drop_above(-1)

    assert world.unstarted() == []
    assert world.assignment.lanes == {}


def test_a_retry_may_run_when_its_time_has_come():
    world = World(None).feed()
    (unit,) = world.take()
    world.backlog.retries.schedule(unit.tasks[0], due=5.0)

    world.backlog.retry_due(4.9, most=9)
    assert world.take() == []
    world.backlog.retry_due(5.0, most=9)
    assert [one.tasks[0].offset for one in world.take()] == [0]
