"""The moment when a commit is due, the reason for it, and its offsets. Kind: the rules of one core module."""

from __future__ import annotations

import pytest

from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._core.scheduler import Scheduler
from kafka_parallel._core.task import Task

INTERVAL = 5.0
RULES = CommitRules(INTERVAL)


def scheduler(rules=RULES, uncommitted=1000):
    found = Scheduler(BufferLimits(1000, 100_000, uncommitted), commits=rules)
    found.assign(["p"])
    found.learn_positions({"p": 0})
    return found


def process(found, offsets, now):
    """Take in records of these *offsets* and handle all of them."""
    found.backpressure.decide_pauses(["p"], now)
    found.feed({"p": [Task(None, offset, None, 1, now) for offset in offsets]}, {})
    found.backpressure.decide_pauses(["p"], now)
    while (chunk := found.dispatch.next_chunk(100, now)) is not None:
        for task in chunk:
            chunk.settle(task, None)
        found.dispatch.take_in_outcomes(chunk, now)


def test_a_commit_is_due_once_in_an_interval():
    commits = scheduler().commits

    assert commits.due(100.0) is None
    assert commits.due(104.9) is None
    assert commits.due(105.0).reason == "interval"

    commits.answered(105.0, failed=False)

    assert commits.due(109.9) is None
    assert commits.wait(107.0) == pytest.approx(3.0)


def test_a_failed_commit_stays_due_with_a_growing_back_off():
    commits, waits = scheduler().commits, []

    for now in range(0, 100, 10):
        commits.answered(float(now), failed=True)
        waits.append(commits.wait(float(now)))

    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0, 5.0])


def test_nothing_makes_a_commit_due_while_a_failed_one_backs_off():
    found = scheduler(uncommitted=8)
    process(found, range(4), 0.0)
    assert found.commits.due(0.0).reason == "room"

    found.commits.answered(0.0, failed=True)

    assert found.commits.due(0.09, is_asked=True) is None
    assert found.commits.due(0.09, begins=True) is None
    assert found.commits.due(0.1, is_asked=True).reason == "asked"


def test_the_start_of_an_assignment_comes_first_and_room_last():
    found = scheduler(uncommitted=8)
    process(found, range(4), 0.0)

    assert found.commits.due(0.0, is_asked=True, begins=True).reason == "start"
    assert found.commits.due(0.0, is_asked=True).reason == "asked"
    assert found.commits.due(0.0).reason == "room"
    assert found.commits.due(INTERVAL).reason == "interval"


def test_room_makes_no_commit_due_while_less_than_half_of_the_span_is_finished():
    found = scheduler(uncommitted=8)
    process(found, range(3), 0.0)

    assert found.commits.due(0.0) is None


def test_the_reason_comes_with_what_was_finished_since_the_last_commit_that_succeeded():
    found = scheduler()
    process(found, range(3), 0.0)
    assert found.commits.due(0.0, is_asked=True).finished == 3

    found.commits.answered(0.0, failed=True)
    process(found, range(3, 5), 0.1)
    assert found.commits.due(0.2, is_asked=True).finished == 5
    process(found, range(5, 6), 0.2)

    found.commits.answered(0.2, failed=False)
    assert found.commits.due(0.2, is_asked=True).finished == 1


@pytest.mark.parametrize("stores_starts", [True, False])
def test_a_start_is_due_where_the_next_start_would_not_find_it(stores_starts):
    found = Scheduler(BufferLimits(10, 100, 10), commits=CommitRules(INTERVAL, stores_starts=stores_starts))
    found.assign(["p"])

    assert found.learn_positions({"p": 7}).offsets == ({"p": (7, -1)} if stores_starts else {})


def test_a_start_that_was_committed_is_not_due_again():
    found = scheduler()
    found.confirm_commit(found.learn_positions({"p": 0}), 0.0)

    assert found.learn_positions({"p": 0}).offsets == {}


def test_a_consumer_without_a_group_commits_nothing():
    found = scheduler(rules=None, uncommitted=8)
    process(found, range(8), 0.0)

    assert found.learn_positions({"p": 8}).offsets == {}
    assert found.commits.due(1e9, is_asked=True, begins=True) is None
    assert found.commits.wait(0.0) == float("inf")
