"""A worker's settled tasks may be collected, and its units stolen, between any two of its steps."""

from __future__ import annotations

from itertools import groupby

import pytest

from kafka_parallel._core.assignment import Assignments
from kafka_parallel._core.chunk import TaskChunk
from kafka_parallel._core.task import Lane, Task, Unit
from kafka_parallel.values import Retry
from tests.core.test_scheduler import feed, offsets_of, run, scheduler


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
            ran.extend(offsets_of(taken))
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
    assert offsets_of(held[0]) == [2]

    found.dispatch.take_in_outcomes(chunk, 0.0)

    assert found.dispatch.next_chunk(1, 0.0, steals=False) is None
    run(found, held[0])
    assert offsets_of(found.dispatch.next_chunk(1, 0.0)) == [3]


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

    assert offsets_of(found.dispatch.next_chunk(1, 0.0)) == [1]


def units(*keys):
    """Make units for a worker: tasks of one key that stand side by side are one, those without a key run alone."""
    found = [Task(None, offset, key, 1, 0.0) for offset, key in enumerate(keys)]
    assignment = Assignments().assign("p")
    for one in found:
        one.assignment = assignment
    return [
        unit
        for key, group in groupby(found, lambda task: task.key)
        for unit in ([Unit(Lane(key, {}), [*group])] if key is not None else group)
    ]


def ends(chunk):
    """Collect; return of each task its offset, its outcome, the key of a lane that is let go of, and what goes back."""
    return [(task.offset, outcome, lane and lane.key, [one.offset for one in back])
            for task, outcome, lane, back in chunk.collect()[0]]  # fmt: skip


def test_a_worker_claims_the_first_and_a_thief_the_last():
    chunk = TaskChunk(units(None, None, None, None))
    first = next(iter(chunk))

    stolen = chunk.steal(9)

    assert first.offset == 0
    assert [unit.tasks[0].offset for unit in stolen] == [2, 3]
    assert (chunk.taken, chunk.unclaimed) == (2, 1)


@pytest.mark.parametrize(("limit", "offsets"), [(1, [[3]]), (2, [[2], [3]]), (0, [])])
def test_a_thief_takes_at_most_half_and_no_more_than_it_may(limit, offsets):
    chunk = TaskChunk(units(None, None, None, None))

    assert [[task.offset for task in unit.tasks] for unit in chunk.steal(limit)] == offsets


def test_a_unit_is_stolen_whole():
    chunk = TaskChunk(units("a", "b", "b", "b"))

    (unit,) = chunk.steal(1)

    assert [task.offset for task in unit.tasks] == [1, 2, 3]


def test_what_was_claimed_is_not_stolen():
    chunk = TaskChunk(units("a", "a"))
    next(iter(chunk))

    assert chunk.steal(9) == []


def test_each_task_is_settled_before_the_next_is_claimed():
    for keys in [("a", "a"), (None, None)]:
        claiming = iter(TaskChunk(units(*keys)))
        next(claiming)
        with pytest.raises(ValueError, match="was claimed but not run"):
            next(claiming)


def test_only_the_task_that_was_claimed_last_can_be_settled():
    chunk = TaskChunk(units("a", "a"))
    next(iter(chunk))
    (later,) = chunk.behind

    with pytest.raises(ValueError, match="@1 attempt 1> is not the task that was claimed last"):
        chunk.settle(later, None)


def test_the_lane_is_let_go_of_with_the_last_task_of_its_unit():
    chunk = TaskChunk(units("a", "a", "b"))
    for task in chunk:
        chunk.settle(task, None)

    assert ends(chunk) == [(0, None, None, []), (1, None, "a", []), (2, None, "b", [])]


def test_behind_a_task_that_is_not_finished_the_rest_of_its_unit_goes_back():
    chunk, again = TaskChunk(units("a", "a", "a", "b")), Retry(5)
    for task in chunk:
        chunk.settle(task, again if task.offset == 0 else None)

    assert ends(chunk) == [(0, again, "a", [1, 2]), (3, None, "b", [])]


def test_what_was_collected_is_not_collected_again():
    chunk = TaskChunk(units(None, None))
    for task in chunk:
        chunk.settle(task, None)
        assert chunk.is_collectable
        assert [offset for offset, *_ in ends(chunk)] == [task.offset]

    assert not chunk.is_collectable


def test_the_last_task_is_collected_alone_only_if_it_was_handled():
    for outcome, is_collected in [(None, True), (Retry(5), False)]:
        chunk = TaskChunk(units("a"))
        chunk.settle(next(iter(chunk)), outcome)
        assert (chunk.collect_last() is not None) is is_collected


def test_units_that_were_claimed_to_be_sent_away_come_back_to_be_claimed_first():
    chunk = TaskChunk(units("a", "b", None), since=7.0)
    *_, last = claimed = chunk.claim_all()
    assert chunk.steal(9) == []

    chunk.unclaim([last])

    assert chunk.since < 0, "a thief need not wait"
    assert chunk.claimed == claimed[:-1]
    assert offsets_of(chunk) == [2]


def test_of_a_stuck_worker_the_rest_may_run_elsewhere():
    chunk = TaskChunk(units("a", "a", None))
    current = next(iter(chunk))

    stuck, rest = chunk.detach()

    assert (stuck.current, stuck.taken) == (current, 1)
    assert sorted(task.offset for unit in rest for task in unit.tasks) == [1, 2]
    assert chunk.current is None
