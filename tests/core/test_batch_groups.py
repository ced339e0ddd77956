"""A group gives out its oldest records, counts only those that may run, and puts back the ones that do not fit."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kafka_parallel._core.batch_groups import NEVER, BatchedLane, Group, LaneGroup, Tally, since_of
from kafka_parallel._core.task import Task, Unit


def task(seq, *, size=1, at=0.0, draining=False):
    found = Task(None, seq, None, size, at)
    found.seq = seq
    found.assignment = SimpleNamespace(draining=draining)
    return found


def lane(*tasks):
    first, *others = tasks
    found = BatchedLane(first, {})
    for one in others:
        found.add_last(one)
    return found


def counted(entry):
    """The tasks, the bytes and the first task of *entry*, as `Tally.gain` takes them."""
    return (1, entry.size, entry) if isinstance(entry, Task) else (len(entry.waiting), entry.bytes, entry.waiting[0])


def group(*entries):
    found = Group()
    for entry in entries:
        found.enter_newest(entry)
        found.gain(*counted(entry))
    return found


def lane_group(*tasks):
    only = lane(*tasks)
    only.group = found = LaneGroup(only)
    found.gain(*counted(only))
    return found


def places(units):
    """The places of the tasks of *units*; those of a lane are in a list of their own."""
    return [[one.seq for one in unit.tasks] if isinstance(unit, Unit) else unit.seq for unit in units]


# The tally


def test_the_wait_counts_from_the_first_of_all_that_may_run():
    tally = Tally()
    tally.gain(2, 20, task(5, at=3.0))
    tally.gain(1, 10, task(1, at=1.0))

    assert (tally.tasks, tally.bytes, tally.since) == (3, 30, 1.0)


def test_after_a_loss_the_first_has_to_be_looked_for():
    tally = Tally()
    tally.gain(3, 30, task(0, at=1.0))

    tally.lose(2, 20)

    assert (tally.tasks, tally.bytes, tally.since) == (1, 10, None)


def test_what_comes_meanwhile_does_not_hide_an_older_one_that_has_to_be_looked_for():
    tally = Tally()
    tally.gain(2, 2, task(0, at=1.0))
    tally.lose(1, 1)

    tally.gain(1, 1, task(9, at=9.0))

    assert tally.since is None


def test_a_group_without_tasks_waits_for_nothing():
    tally = Tally()
    tally.gain(1, 1, task(0))

    tally.lose(1, 1)

    assert tally.since == NEVER


@pytest.mark.parametrize(("draining", "since"), [(False, 7.0), (True, -NEVER)])
def test_a_record_whose_partition_is_about_to_leave_has_waited_long_enough(draining, since):
    assert since_of(task(0, at=7.0, draining=draining)) == since


# A lane counts its bytes


def test_a_lane_counts_the_bytes_that_wait_in_it():
    found = lane(task(0, size=5), task(1, size=6), task(2, size=7))

    claimed = found.claim(2)

    assert [one.seq for one in claimed] == [0, 1]
    assert (found.bytes, found.held) == (7, True)
    found.add_first(claimed)
    assert found.bytes == 18
    assert [one.seq for one in found.waiting] == [0, 1, 2]


def test_a_lane_that_is_claimed_whole_has_no_bytes():
    found = lane(task(0, size=5), task(1, size=6))

    assert len(found.claim(9)) == 2
    assert (found.bytes, len(found.waiting)) == (0, 0)


@pytest.mark.parametrize(
    ("records", "size", "expected"), [(9, 100, 3), (2, 100, 2), (9, 11, 2), (9, 10, 1), (9, 4, 0), (1, 11, 1)]
)
def test_the_oldest_tasks_fit_up_to_a_number_and_a_size(records, size, expected):
    assert lane(task(0, size=5), task(1, size=6), task(2, size=7)).fitting(records, size) == expected


# The group of one lane


def test_the_group_of_a_lane_gives_out_the_oldest_and_counts_none_after_that():
    found = lane_group(task(0), task(1), task(2))

    assert places(found.pop_units(2, 100)) == [[0, 1]]
    assert (found.tasks, found.bytes, found.oldest()) == (0, 0, None)


def test_a_single_record_is_given_out_however_large_it_is():
    assert places(lane_group(task(0, size=99), task(1)).pop_units(5, 10)) == [0]


@pytest.mark.parametrize(("is_held", "expected"), [(False, (1, 6, 2.0)), (True, (0, 0, NEVER))])
def test_a_lane_is_counted_anew_after_records_of_it_were_dropped(is_held, expected):
    only = lane(task(0, size=5, at=1.0), task(1, size=6, at=2.0))
    found = LaneGroup(only)
    found.gain(*counted(only))
    only.waiting = only.waiting[1:]
    only.held = is_held
    only.recount()

    found.discard(set())

    assert (found.tasks, found.bytes, found.waits_since()) == expected


# A group of many


def test_lanes_and_loose_records_go_by_age():
    found = group(task(0), lane(task(1), task(4)), task(2), lane(task(3)))

    assert found.oldest().seq == 0
    assert places(found.pop_units(9, 100)) == [0, [1, 4], 2, 3]
    assert (found.tasks, found.bytes) == (0, 0)


def test_records_beyond_the_number_stay():
    found = group(task(0), task(1), task(2))

    assert places(found.pop_units(2, 100)) == [0, 1]
    assert (found.tasks, places([found.oldest()])) == (1, [2])


@pytest.mark.parametrize("second", [task(1, size=8), lane(task(1, size=8), task(2, size=1))], ids=["loose", "lane"])
def test_a_record_that_does_not_fit_is_put_back_and_keeps_its_turn(second):
    found = group(task(0, size=5), second, task(3, size=1))
    before = found.tasks

    assert places(found.pop_units(9, 10)) == [0], "the smaller one behind it does not overtake"

    assert found.oldest().seq == 1
    assert found.tasks == before - 1


def test_the_rest_of_a_lane_of_which_some_were_taken_may_not_run():
    found = group(lane(task(0, size=5), task(1, size=6)), task(2, size=1))

    assert places(found.pop_units(1, 100)) == [0]

    assert (found.tasks, found.bytes) == (1, 1), "only the loose one is left"


def test_the_wait_is_looked_for_among_all_because_numbers_and_times_differ():
    found = group(task(0, at=9.0), task(1, at=5.0), lane(task(2, at=7.0), task(3, at=1.0)))
    found.lose(0, 0)

    assert found.waits_since() == 5.0


def test_dropped_records_are_forgotten_and_the_rest_is_counted():
    gone, emptied, left = task(0, size=5), lane(task(1)), lane(task(3, size=7, at=3.0))
    found = group(gone, emptied, task(2, size=6, at=2.0), left)
    emptied.waiting = ()

    found.discard({gone})

    assert (found.tasks, found.bytes, found.waits_since()) == (2, 13, 2.0)
    assert [one.seq for one in found.loose()] == [2]
