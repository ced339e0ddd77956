"""The end of each record of a batch, and of those behind one that has to be tried again."""

from __future__ import annotations

import pytest

from kafka_parallel._core.batch_chunk import BatchChunk
from kafka_parallel._core.outcome import LEFT_OUT, Failure, NotRun
from kafka_parallel._core.task import Lane, Task, Unit
from kafka_parallel.values import Retry, Skip

AGAIN, SKIP, FAILED = Retry(5), Skip("bad"), Failure(ValueError(), "no plugin")


def batch(count=3):
    tasks = [Task(None, offset, "a", 1, 0.0) for offset in range(count)]
    return BatchChunk([Unit(Lane("a", {}), tasks)])


def settled(*outcomes):
    """Of each record that ended its offset and outcome; what goes back; what has made an attempt all the same."""
    chunk = batch(len(outcomes))
    for one in chunk:
        chunk.settle_all(dict(zip(one.tasks, outcomes, strict=True)))
    ends, tried = chunk.collect()
    back = [task.offset for *_, lane, tasks in ends if lane is not None for task in tasks]
    return {task.offset: outcome for task, outcome, *_ in ends}, back, [task.offset for task in tried]


def test_a_batch_is_claimed_as_a_whole_and_nothing_of_it_is_stolen():
    chunk = batch()

    (found,) = _claimed(chunk)

    assert [task.offset for task in found.tasks] == [0, 1, 2]
    assert chunk.steal(9) == []
    assert chunk.current is found


def _claimed(chunk):
    return [next(iter(chunk))]


def test_a_batch_that_is_claimed_must_be_run():
    claiming = iter(batch())
    next(claiming)

    with pytest.raises(ValueError, match="claimed but not run"):
        next(claiming)


def test_a_batch_is_settled_once():
    chunk = batch()
    chunk.settle_all(None)

    with pytest.raises(ValueError, match="settled already"):
        chunk.settle_all(None)


def test_a_batch_that_was_handled_is_collected_as_a_whole():
    chunk = batch()
    chunk.settle_all(None)

    assert [task.offset for task in chunk.collect_handled().tasks] == [0, 1, 2]
    assert not chunk.is_collectable


def test_a_batch_of_which_a_record_failed_is_not():
    chunk = batch(1)
    for one in chunk:
        chunk.settle_all({one.tasks[0]: AGAIN})

    assert chunk.collect_handled() is None
    assert chunk.is_collectable


def test_without_a_failure_each_record_ends():
    assert settled(None, SKIP, None) == ({0: None, 1: SKIP, 2: None}, [], [])


def test_a_success_behind_a_record_that_is_tried_again_comes_again_in_order():
    assert settled(AGAIN, None, None) == ({0: AGAIN}, [1, 2], [])


def test_a_failure_behind_a_record_that_is_tried_again_has_made_its_attempt():
    assert settled(AGAIN, AGAIN, None) == ({0: AGAIN}, [1, 2], [1])


@pytest.mark.parametrize("final", [SKIP, FAILED])
def test_what_has_come_to_an_end_behind_it_stays_ended(final):
    assert settled(AGAIN, final, None) == ({0: AGAIN, 1: final}, [2], [])


def test_a_record_for_which_a_plugin_answered_comes_again_behind_one_that_is_tried_again():
    assert settled(AGAIN, LEFT_OUT, None) == ({0: AGAIN}, [1, 2], [])


def test_what_was_not_run_goes_back():
    assert settled(NotRun, NotRun) == ({0: NotRun}, [0, 1], [])


def test_a_batch_in_which_a_worker_is_stuck_is_taken_away_whole():
    chunk = batch()
    (found,) = _claimed(chunk)

    stuck, rest = chunk.detach()

    assert (stuck.current, stuck.taken, rest) == (found, 3, [])
    assert chunk.current is None
