"""The tasks of a batch are handed over in order of arrival."""

from __future__ import annotations

from kafka_parallel._core.task import Lane, Task, Unit
from kafka_parallel._core.task_batch import TaskBatch


def task(seq):
    made = Task(None, 0, None, 1, 0.0)
    made.seq = seq
    return made


def test_tasks_of_several_units_are_handed_over_in_order_of_arrival():
    first, second, third, fourth = map(task, range(4))
    batch = TaskBatch([Unit(Lane("a", {}), [first, fourth]), Unit(Lane("b", {}), [second, third])])

    assert batch.tasks == [first, second, third, fourth]


def test_tasks_that_are_units_of_their_own_keep_the_order_in_which_they_were_taken():
    first, second = map(task, range(2))

    assert TaskBatch([first, second]).tasks == [first, second]
