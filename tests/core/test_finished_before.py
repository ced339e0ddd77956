"""Offsets finished before an assignment count for one commit alone, and each commit tells those of now. Kind: rules."""

from __future__ import annotations

import pytest

from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import RENEWAL, CommitRules
from kafka_parallel._core.finished_before import FinishedBefore, Recorded
from kafka_parallel._core.offset_ranges import OffsetRanges
from kafka_parallel._core.scheduler import Scheduler
from kafka_parallel._core.task import Task
from kafka_parallel.values import Retry

LIMITS = BufferLimits(100, 100_000, 1000)


def recorded(*ranges, offset=10, leader_epoch=-1):
    return FinishedBefore(recorded=Recorded(offset, leader_epoch, OffsetRanges(ranges)))


def scheduler(done=None, *, position=10, tells_finished_above=True):
    found = Scheduler(LIMITS, commits=CommitRules(tells_finished_above=tells_finished_above))
    found.assign(["p"], {} if done is None else {"p": done})
    found.learn_positions({"p": position})
    return found


def feed(found, *offsets, leader_epoch=None):
    epochs = {} if leader_epoch is None else {"p": [(offsets[0], leader_epoch)]}
    found.feed({"p": [Task(None, offset, None, 1, 0.0) for offset in offsets]}, epochs)


def run(found, *offsets):
    """Finish those of *offsets* that are handed out now; return all that are handed out."""
    chunk, taken = found.dispatch.next_chunk(99, 0.0), []
    for task in chunk or ():
        taken.append(task.offset)
        chunk.settle(task, None if task.offset in offsets else Retry(1e9))
    if chunk is not None:
        found.dispatch.take_in_outcomes(chunk, 0.0)
    return taken


def test_recorded_offsets_finish_on_arrival():
    found = scheduler(recorded((11, 13), (14, 20)))

    feed(found, *range(10, 16))

    assert run(found) == [10, 13]


@pytest.mark.parametrize(("log_end", "taken"), [(20, [10, 13]), (None, [10, 13]), (19, [10, 11, 12, 13])])
def test_a_record_of_offsets_that_the_log_does_not_have_is_not_believed(log_end, taken):
    """It would finish records that are not written yet."""
    found = scheduler(recorded((11, 13), (14, 20)))

    found.feed({"p": [Task(None, offset, None, 1, 0.0) for offset in range(10, 14)]}, {}, (), {"p": log_end})

    assert run(found) == taken


@pytest.mark.parametrize(
    ("act", "reason", "is_wanted"),
    [
        (lambda done: done.begin_at(11), "the partition is read from offset 11 on", False),
        (lambda done: done.begin_with(12, 5), "the first record of the partition is at offset 12", False),
        (lambda done: done.begin_with(10, 4), "the leader epoch of the partition has gone back from 5 to 4", False),
        (lambda done: done.begin_with(10, 5, 12), "the commit tells of offsets beyond the end of the log, 12", False),
        (lambda done: done.jump(), "the user goes on elsewhere", True),
    ],
)
def test_a_record_that_is_not_believed_says_why(act, reason, is_wanted):
    done = recorded((11, 13), leader_epoch=5)
    assert done.forgotten is None

    act(done)
    act(done)

    assert done.forgotten == (10, reason, is_wanted)


def test_a_record_that_was_used_up_is_not_forgotten():
    done = recorded((11, 13))
    done.forget_below(13)
    done.jump()

    assert done.forgotten is None


def test_the_committed_offset_is_never_finished_and_neither_is_any_below():
    found = scheduler(recorded((0, 13)))

    feed(found, *range(10, 14))

    assert run(found) == [10, 13]


@pytest.mark.parametrize("position", [0, 9, 11, 500])
def test_nothing_recorded_counts_for_an_assignment_that_begins_elsewhere(position):
    found = scheduler(recorded((11, 20), (501, 503)), position=position)

    feed(found, *range(position, position + 5))

    assert run(found) == [*range(position, position + 5)]


@pytest.mark.parametrize("offset", [11, 12])
def test_nothing_recorded_counts_if_the_committed_record_itself_does_not_come(offset):
    """The client was sent elsewhere after its position was seen, by auto_offset_reset say: that may be another log."""
    found = scheduler(recorded((11, 20)))

    feed(found, offset, offset + 1)

    assert run(found) == [offset, offset + 1]


def test_nothing_recorded_counts_after_a_jump_back():
    found = scheduler(recorded((11, 20)))
    feed(found, 10, 11)

    found.learn_positions({"p": 8})
    feed(found, *range(8, 14))

    assert run(found) == [*range(8, 14)]


def test_nothing_recorded_counts_after_a_jump_of_the_user_whichever_way():
    found = scheduler(recorded((11, 20)))
    feed(found, 10, 11)

    found.learn_positions({"p": 15})
    found.feed({"p": [Task(None, offset, None, 1, 0.0) for offset in range(15, 18)]}, {}, ["p"])

    assert run(found) == [10, 15, 16, 17]


def test_nothing_recorded_is_committed_again_after_a_jump_forward_that_no_record_followed():
    """A failed poll after it, say: the position alone could be a gap in the log."""
    found = scheduler(recorded((11, 20)))

    found.learn_positions({"p": 11}, ["p"])

    assert found.snapshot().offsets == {"p": (11, -1)}
    assert found.snapshot().finished_above == {"p": []}


@pytest.mark.parametrize(("committed", "seen", "counts"), [(3, 2, False), (3, 3, True), (3, 4, True), (-1, 0, True)])
def test_a_leader_epoch_below_the_committed_one_is_of_another_log(committed, seen, counts):
    found = scheduler(recorded((11, 20), leader_epoch=committed))

    feed(found, 10, 11, leader_epoch=seen)

    assert run(found) == ([10] if counts else [10, 11])


def test_offsets_of_a_plugins_own_store_count_wherever_it_begins():
    found = scheduler(FinishedBefore([(10, 12)]))

    feed(found, 10, 11, 12)

    assert run(found) == [12]


def test_a_commit_tells_what_is_finished_above_it():
    found = scheduler()
    feed(found, 10, 11, 13, 14)

    run(found, 11, 13)

    assert found.snapshot().offsets == {"p": (10, -1)}
    assert found.snapshot().finished_above == {"p": [(11, 14)]}


def test_it_tells_nothing_unless_it_is_to():
    found = scheduler(recorded((11, 20)), tells_finished_above=False)
    feed(found, 10, 13)
    run(found, 13)

    assert found.snapshot().finished_above == {}


def test_a_commit_repeats_what_is_recorded_of_records_that_have_not_come_yet():
    """Otherwise a second crash would know less than the first."""
    found = scheduler(recorded((11, 12), (13, 20)))
    assert found.snapshot().finished_above == {"p": [(11, 12), (13, 20)]}

    feed(found, 10, 11, 12)
    assert found.snapshot().finished_above == {"p": [(11, 12), (13, 20)]}

    feed(found, *range(13, 18))
    assert found.snapshot().finished_above == {"p": [(11, 12), (13, 20)]}


def test_the_start_that_is_committed_first_keeps_what_is_recorded():
    found = Scheduler(LIMITS, commits=CommitRules(tells_finished_above=True))
    found.assign(["p"], {"p": recorded((11, 20), leader_epoch=4)})

    starts = found.learn_positions({"p": 10})

    assert (starts.offsets, starts.finished_above) == ({"p": (10, 4)}, {"p": [(11, 20)]})


def test_a_commit_never_says_that_its_own_offset_is_finished():
    found = scheduler(recorded((11, 20)))
    feed(found, 10)

    run(found, 10)

    assert found.snapshot().offsets["p"][0] == 11
    assert found.snapshot().finished_above == {"p": [(12, 20)]}


def test_progress_above_an_offset_that_stands_still_is_committed_and_nothing_twice():
    found = scheduler()
    feed(found, 10, 11, 12)
    found.confirm_commit(found.snapshot())
    assert not found.snapshot().offsets

    run(found, 11)
    snapshot = found.snapshot()

    assert snapshot.offsets == {"p": (10, -1)}
    assert snapshot.advances == {"p"}
    found.confirm_commit(snapshot)
    assert not found.snapshot().offsets


def test_without_a_reader_an_offset_that_stands_still_is_not_committed_again():
    found = scheduler(tells_finished_above=False)
    feed(found, 10, 11, 12)
    found.confirm_commit(found.snapshot())

    run(found, 11)

    assert not found.snapshot().offsets


def test_what_finishes_while_a_commit_is_on_its_way_is_committed_next():
    found = scheduler()
    feed(found, 10, 11, 12)
    snapshot = found.snapshot()

    run(found, 12)
    found.confirm_commit(snapshot)

    assert found.snapshot().finished_above == {"p": [(12, 13)]}


def test_an_unchanged_commit_that_is_renewed_tells_the_same():
    found = scheduler()
    feed(found, 10, 11)
    run(found, 11)
    found.confirm_commit(found.snapshot(), 0.0)

    assert found.snapshot(renewed_at=RENEWAL).finished_above == {"p": [(11, 12)]}


def test_records_that_are_dropped_when_a_partition_leaves_are_not_finished_and_those_around_them_are():
    found = scheduler()
    feed(found, *range(10, 16))
    run(found, 11, 13)  # 10, 12, 14 and 15 wait for a retry that comes too late

    repeated = found.drain(["p"], end=5.0)

    assert found.snapshot().offsets == {"p": (10, -1)}
    assert found.snapshot().finished_above == {"p": [(11, 12), (13, 14)]}
    assert repeated == {}


def test_once_nothing_above_is_finished_nothing_is_told():
    found = scheduler()
    feed(found, 10, 11)
    run(found, 10, 11)

    assert (found.snapshot().offsets, found.snapshot().finished_above) == ({"p": (12, -1)}, {"p": []})
