"""A worker's settled tasks may be collected, and acted on, between any two of its steps."""

from __future__ import annotations

import pytest

from kafka_parallel._core.chunk import TaskChunk
from kafka_parallel.values import Retry
from tests.core.test_scheduler import feed, run, scheduler


class Watched(list):
    """Lets another thread act after every append."""

    def __init__(self, act):
        super().__init__()
        self._act = act

    def append(self, item):
        super().append(item)
        self._act()


class InTwoSteps(TaskChunk):
    """Shows the outcome of a record before the end of its unit: the mistake."""

    def settle(self, task, outcome):
        unit = self._unit
        unit.tasks.pop(0)
        self._settled.append((task, outcome, None, ()))
        if not unit.tasks or outcome is not None:
            self._unit = None
            self._settled[-1:] = [(task, outcome, unit.lane, unit.tasks)]


def story(chunk_class, records=2):
    """A worker fails at the first of three records of a key; another one collects and works after each of its steps.

    The worker has taken some *records* of the key.
    """
    found, ran = scheduler("p"), []
    feed(found, "p", (0, "a"), (1, "a"), (2, "a"))
    chunk = chunk_class(found._backlog.ready.pop_units(records))
    found.dispatch._hand_out(chunk)

    def other_worker():
        found.dispatch.collect_outcomes(0.0)
        taken = found.dispatch.next_chunk(2, 0.0)
        if taken is not None:
            ran.extend(task.offset for unit in reversed(taken._units) for task in unit.tasks)
            run(found, taken)

    chunk._settled = Watched(other_worker)
    for task in chunk:
        chunk.settle(task, Retry(0) if task.attempt == 1 and task.offset == 0 else None)
    found.dispatch.take_in_outcomes(chunk, 0.0)
    for _ in range(3):
        other_worker()
    return ran, found


@pytest.mark.parametrize("records", [1, 2])
def test_order_holds_and_nothing_is_lost_whenever_it_is_collected(records):
    ran, found = story(TaskChunk, records)

    assert ran == [0, 1, 2]
    assert found.snapshot().offsets["p"][0] == 3
    assert found.dispatch.in_flight == 0


def test_an_outcome_that_is_shown_too_early_is_found_out():
    with pytest.raises(AssertionError):
        assert story(InTwoSteps)[0] == [0, 1, 2]


def test_a_lane_that_was_let_go_of_by_who_collected_is_not_let_go_of_again():
    found = scheduler("p")
    feed(found, "p", (0, "b"), (1, "a"), (2, "a"), (3, "a"))
    chunk = TaskChunk([*found._backlog.ready.pop_units(1), found._backlog.ready.pop_units(1)[0]])
    found.dispatch._hand_out(chunk)
    held = []

    def take_next():
        if not held:
            found.dispatch.collect_outcomes(0.0)
            if (taken := found.dispatch.next_chunk(1, 0.0, steals=False)) is not None:
                held.append(taken)

    chunk._settled = Watched(take_next)
    for task in chunk:
        chunk.settle(task, None)
    assert [task.offset for task in held[0]._units] == [2]

    found.dispatch.take_in_outcomes(chunk, 0.0)

    assert found.dispatch.next_chunk(1, 0.0, steals=False) is None
    run(found, held[0])
    assert [task.offset for task in found.dispatch.next_chunk(1, 0.0)._units] == [3]


def test_a_key_goes_on_in_the_next_assignment_whenever_its_failed_record_was_collected():
    """Kind: two steps of one thread that another one must see together. The key never ran again."""
    found = scheduler("p")
    feed(found, "p", (0, "a"), (1, "b"))
    chunk = found.dispatch.next_chunk(2, 0.0)
    chunk._settled = Watched(lambda: found.dispatch.collect_outcomes(0.0))
    for task in chunk:
        chunk.settle(task, None if task.key == "a" else Retry(60_000))
    found.end_assignments(["p"])
    found.dispatch.take_in_outcomes(chunk, 0.0)

    found.assign(["p"])
    feed(found, "p", (1, "b"))

    assert [task.offset for task in found.dispatch.next_chunk(1, 0.0)._units] == [1]
