"""The records that may run now."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kafka_parallel._core.fairness import Turn
from kafka_parallel._core.ordering import ByAge, ReadyQueue
from kafka_parallel._core.task import Task, Unit


def task(offset, key=None):
    return Task(None, offset, key, 1, 0.0)


def filled(*keys):
    queue, table, turn = ReadyQueue(), {}, Turn()
    for offset, key in enumerate(keys):
        queue.enqueue([task(offset, key)], table, turn, 0)
    return queue, table


def offsets(units):
    return [[one.offset for one in unit.tasks] for unit in units]


def test_records_without_order_run_each_on_its_own():
    queue, _ = filled(None, None, None)

    assert offsets(queue.pop_units(2)) == [[0], [1]]


def test_a_unit_is_the_oldest_records_of_one_key():
    queue, _ = filled("a", "b", "a", "a")

    assert offsets(queue.pop_units(3)) == [[0, 2, 3]]


def test_a_held_lane_gives_out_nothing():
    queue, _ = filled("a", "a")
    queue.pop_units(1)

    assert queue.pop_units(5) == []


def test_the_oldest_head_runs_first_even_if_it_became_ready_last():
    queue, _ = filled("a", "a", "b", None)
    first = queue.pop_units(1)[0]

    queue.release(first.lane)

    assert offsets(queue.pop_units(3)) == [[1], [2], [3]]


def test_what_was_never_started_goes_back_in_order():
    queue, table = filled("a", "a", "a", "a")
    unit = queue.pop_units(3)[0]
    unit.tasks.pop(0)

    queue.requeue_unit(unit)
    queue.release(table["a"])

    assert offsets(queue.pop_units(9)) == [[1, 2, 3]]


def test_an_idle_lane_is_forgotten():
    queue, table = filled("a")

    queue.release(queue.pop_units(1)[0].lane)

    assert table == {}


def test_a_retry_runs_before_what_waited_behind_it():
    queue, _ = filled("a", "a", "b")
    [failed] = queue.pop_units(1)

    queue.make_ready(failed)

    assert offsets(queue.pop_units(1)) == [[0]]


def test_discarding_forgets_loose_tasks_and_empty_lanes():
    queue, table = filled(None, "a", None)
    loose = queue.unordered_tasks()
    table["a"].waiting = ()

    queue.forget_dropped([table], {loose[0]})

    assert offsets(queue.pop_units(9)) == [[2]]
    assert table == {}


def test_what_was_never_started_and_needs_no_order_may_run_at_once():
    queue, _ = filled(None, None)
    first = queue.pop_units(1)[0]

    queue.requeue_unit(first)

    assert offsets(queue.pop_units(9)) == [[0], [1]]


@given(st.lists(st.sampled_from(["a", "b", "c", None]), max_size=40), st.data())
def test_any_schedule_keeps_every_key_in_order_and_loses_nothing(keys, data):
    queue, table = filled(*keys)
    out, ran = [], []

    while len(queue) or out:
        if len(queue) and (not out or data.draw(st.booleans())):
            out += queue.pop_units(data.draw(st.integers(1, 4)))
            lanes = [unit.lane for unit in out if unit.lane is not None]
            assert len(lanes) == len(set(map(id, lanes)))
        else:
            unit = out.pop(data.draw(st.integers(0, len(out) - 1)))
            done = data.draw(st.integers(0, len(unit.tasks)))
            ran += [one.offset for one in unit.tasks[:done]]
            if isinstance(unit, Unit):
                del unit.tasks[:done]
            if done == 0 or isinstance(unit, Unit):
                queue.requeue_unit(unit)
            if unit.lane is not None:
                queue.release(unit.lane)

    assert sorted(ran) == list(range(len(keys)))
    for key in "abc":
        of_key = [offset for offset in ran if keys[offset] == key]
        assert of_key == sorted(of_key)
    assert table == {}


@given(st.lists(st.sampled_from(["new", "again", "take"]), min_size=30, max_size=80), st.randoms(use_true_random=False))
def test_what_is_ready_comes_out_by_age(acts, chance):
    ready, seqs, model, taken = ByAge(), iter(range(100)), [], []
    for act in acts:
        if act == "new":
            new = task(0)
            new.seq = next(seqs)
            ready.append(new)
            model.append(new.seq)
        elif act == "again" and taken:
            back = taken.pop(chance.randrange(len(taken)))
            ready.push(back)
            model.append(back.seq)
        elif act == "take":
            oldest, first = ready.peek(), ready.pop()
            assert oldest is first
            assert (first and first.seq) == min(model, default=None)
            if first is not None:
                model.remove(first.seq)
                taken.append(first)
        assert len(ready) == len(model)
        assert sorted(one.seq for one in ready) == sorted(model)
