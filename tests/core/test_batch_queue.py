"""The records that go into a batch together, its time, and the fate of those that a failed one holds up."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kafka_parallel._core.batch_queue import BatchLimits
from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._core.outcome import Failure, NotRun
from kafka_parallel._core.scheduler import Scheduler
from kafka_parallel._core.task import Task
from kafka_parallel.values import Retry, Skip

WAIT = 0.05


def scheduler(scope="mixed", records=3, size=1000, partitions=("p", "q"), wait=WAIT):
    found = Scheduler(
        BufferLimits(1000, 100_000, 1000), commits=CommitRules(), batches=BatchLimits(records, size, wait, scope)
    )
    found.assign(partitions)
    return found


def feed(found, partition, *records, at=0.0, size=1):
    tasks = [Task(None, offset, key, size, at) for offset, key in records]
    found.learn_positions({partition: tasks[0].offset})
    found.feed({partition: tasks}, {})


def batch_of(chunk):
    return None if chunk is None else next(iter(chunk))


def offsets(chunk):
    batch = batch_of(chunk)
    return None if batch is None else [(task.assignment.partition, task.offset) for task in batch.tasks]


def settle(found, chunk, outcomes=None, now=0.0):
    """Settle a batch: *outcomes* by offset, the rest is handled."""
    for batch in chunk:
        chunk.settle_all({task: (outcomes or {}).get(task.offset) for task in batch.tasks})
    return found.dispatch.take_in_outcomes(chunk, now)


def test_a_full_batch_goes_at_once_and_the_rest_when_it_has_waited_long_enough():
    found = scheduler()
    feed(found, "p", (0, "a"), (1, "b"), (2, None), (3, "a"))

    assert offsets(found.dispatch.next_chunk(1, 0.0)) == [("p", 0), ("p", 1), ("p", 3)]
    assert found.dispatch.next_chunk(1, WAIT - 0.001) is None
    assert offsets(found.dispatch.next_chunk(1, WAIT)) == [("p", 2)]


def test_nothing_waits_longer_than_its_time():
    found = scheduler()
    feed(found, "p", (0, None), at=1.0)

    assert found.dispatch.next_chunk(1, 1.0) is None
    assert found.dispatch.next_due == 1.0 + WAIT
    assert offsets(found.dispatch.next_chunk(1, 1.0 + WAIT)) == [("p", 0)]


def test_a_batch_is_bounded_by_bytes_and_a_larger_record_goes_alone():
    found = scheduler(records=10, size=25)
    feed(found, "p", *[(offset, None) for offset in range(4)], size=10)
    feed(found, "q", (0, "a"), (1, "a"), size=99)

    assert offsets(found.dispatch.next_chunk(1, 0.0)) == [("p", 0)], "q has its turn, but does not fit in"
    assert offsets(found.dispatch.next_chunk(1, 0.0)) == [("q", 0)]
    assert offsets(found.dispatch.next_chunk(1, 0.0)) == [("p", 1), ("p", 2)]


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("mixed", [[("p", 0), ("q", 0), ("q", 1)], [("p", 1)]]),
        ("partition", [[("p", 0), ("p", 1)], [("q", 0), ("q", 1)]]),
        ("key", [[("p", 0)], [("q", 0), ("q", 1)], [("p", 1)]]),
    ],
)
def test_the_scope_says_what_goes_together(scope, expected):
    found = scheduler(scope)
    feed(found, "p", (0, "a"), (1, "b"))
    feed(found, "q", (0, "a"), (1, "a"))

    assert [offsets(found.dispatch.next_chunk(1, WAIT)) for _ in expected] == expected
    assert found.dispatch.next_chunk(1, WAIT) is None


def test_of_several_groups_the_one_with_the_oldest_record_goes_first():
    found = scheduler("partition")
    feed(found, "q", (0, None))
    feed(found, "p", (0, None), (1, None), (2, None), at=WAIT)

    assert offsets(found.dispatch.next_chunk(1, WAIT)) == [("q", 0)]
    assert offsets(found.dispatch.next_chunk(1, WAIT)) == [("p", 0), ("p", 1), ("p", 2)]


@pytest.mark.parametrize("scope", ["mixed", "partition", "key"])
def test_a_key_is_in_one_batch_at_a_time(scope):
    found = scheduler(scope)
    feed(found, "p", *[(offset, "a") for offset in range(5)])
    first = found.dispatch.next_chunk(1, 0.0)

    assert offsets(first) == [("p", 0), ("p", 1), ("p", 2)]
    assert found.dispatch.next_chunk(1, WAIT) is None
    settle(found, first)
    assert offsets(found.dispatch.next_chunk(1, WAIT)) == [("p", 3), ("p", 4)]


@pytest.mark.parametrize("scope", ["mixed", "partition", "key"])
def test_what_stands_behind_a_failed_record_of_its_key_comes_again_behind_it(scope):
    found = scheduler(scope, records=4)
    feed(found, "p", *[(offset, "a") for offset in range(4)])
    chunk = found.dispatch.next_chunk(1, 0.0)
    tasks = {task.offset: task for task in batch_of(chunk).tasks}

    settle(found, chunk, {1: Retry(5), 2: Retry(1), 3: None})

    assert found.snapshot().offsets["p"][0] == 1
    assert found.dispatch.in_flight == 0
    assert found.dispatch.waiting == 1
    assert found.dispatch.next_chunk(1, 0.004) is None
    assert offsets(found.dispatch.next_chunk(1, 1.0)) == [("p", 1), ("p", 2), ("p", 3)]
    assert [tasks[offset].attempt for offset in (1, 2, 3)] == [2, 2, 1]
    assert found.dispatch.totals.retried == 2


def test_what_was_skipped_behind_a_failed_record_is_finished():
    found = scheduler()
    feed(found, "p", *[(offset, "a") for offset in range(3)])

    settle(found, found.dispatch.next_chunk(1, 0.0), {0: Retry(0), 1: Skip("dead"), 2: Retry(0)})

    assert found.dispatch.totals.skipped == 1
    assert offsets(found.dispatch.next_chunk(1, 1.0)) == [("p", 0), ("p", 2)]


def test_what_was_not_run_runs_next_with_its_attempts_as_they_were():
    found = scheduler()
    feed(found, "p", *[(offset, "a") for offset in range(3)])

    settle(found, found.dispatch.next_chunk(1, 0.0), {0: Skip("dead"), 1: NotRun, 2: NotRun})

    again = found.dispatch.next_chunk(1, WAIT)
    assert offsets(again) == [("p", 1), ("p", 2)]
    assert {task.attempt for task in batch_of(again).tasks} == {1}


def test_a_record_that_halts_stops_the_rest_of_its_key():
    found = scheduler()
    feed(found, "p", *[(offset, "a") for offset in range(3)])

    failed = settle(found, found.dispatch.next_chunk(1, 0.0), {1: Failure(ValueError(), "no")})

    assert [task.offset for task, _ in failed] == [1]
    assert found.snapshot().offsets["p"][0] == 1
    found.drain()
    assert found.is_drained()


def test_a_partition_that_leaves_does_not_wait_for_its_batch_to_fill():
    found = scheduler(wait=600.0)
    feed(found, "p", (0, "a"), (1, "a"), (2, "b"))
    chunk = found.dispatch.next_chunk(1, 0.0)
    feed(found, "p", (3, "b"), (4, "c"))
    settle(found, chunk, {0: Retry(0)})

    found.drain(["p"], end=10.0)

    assert offsets(found.dispatch.next_chunk(1, 0.1)) == [("p", 0), ("p", 1)]


def test_a_partition_that_leaves_does_not_wait_behind_an_older_record_of_another():
    found = scheduler(records=4, wait=600.0)
    feed(found, "p", (0, None))
    feed(found, "q", (0, "a"), (1, "a"), (2, "b"))
    settle(found, found.dispatch.next_chunk(1, 0.0), {0: Retry(0)})

    found.drain(["q"], end=10.0)

    assert offsets(found.dispatch.next_chunk(1, 0.1)) == [("p", 0), ("q", 0), ("q", 1)]


def test_what_is_put_ahead_of_others_does_not_let_them_wait_longer():
    found = scheduler(records=4)
    feed(found, "p", *[(offset, None) for offset in range(6)])
    found.dispatch.next_chunk(1, 0.0)
    feed(found, "q", (0, None), at=WAIT / 2)

    assert found.dispatch.next_due <= WAIT
    assert offsets(found.dispatch.next_chunk(1, WAIT)) == [("q", 0), ("p", 4), ("p", 5)]


def test_a_throttle_makes_batches_smaller():
    found = scheduler()
    found.throttles.limit("slow", 2)
    feed(found, "p", *[(offset, None) for offset in range(4)])

    assert offsets(found.dispatch.next_chunk(1, 0.0)) == [("p", 0), ("p", 1)]
    assert found.dispatch.next_chunk(1, 0.0) is None


def test_a_batch_must_be_run_and_only_once():
    found = scheduler(records=1)
    feed(found, "p", (0, None))
    chunk = found.dispatch.next_chunk(1, 0.0)
    claims = iter(chunk)
    batch = next(claims)

    with pytest.raises(ValueError, match="claimed but not run"):
        next(claims)
    chunk.settle_all(dict.fromkeys(batch.tasks))
    with pytest.raises(ValueError, match="settled already"):
        chunk.settle_all(None)


@pytest.mark.parametrize("scope", ["mixed", "partition", "key"])
def test_a_batch_that_was_handled_lets_go_of_all_its_keys_and_finishes_all_its_offsets(scope):
    found = scheduler(scope)
    feed(found, "p", (0, "a"), (1, "a"), (2, "b"), (3, None), (4, "a"), (5, "b"))

    while (chunk := found.dispatch.next_chunk(1, WAIT)) is not None:
        for _ in chunk:
            chunk.settle_all(None)
        assert found.dispatch.take_in_outcomes(chunk, WAIT) == []

    assert found.snapshot().offsets["p"][0] == 6
    assert found.dispatch.totals.processed == 6
    assert found.dispatch.in_flight == 0
    assert found._assignments.get("p").lanes == {}


def test_a_retry_that_succeeds_in_a_batch_makes_room_for_the_next_one():
    found = scheduler(records=1)
    feed(found, "p", (0, None), (1, None))
    for _ in range(2):
        settle(found, found.dispatch.next_chunk(1, 0.0), {0: Retry(5), 1: Retry(5)})
    found.throttles.limit_retries("slow", 1)

    first = found.dispatch.next_chunk(1, 1.0)
    assert found.dispatch.next_chunk(1, 1.0) is None
    for _ in first:
        first.settle_all(None)
    found.dispatch.take_in_outcomes(first, 1.0)

    assert found.dispatch.next_chunk(1, 1.0) is not None


def test_a_batch_of_partitions_that_have_left_finishes_those_that_stay():
    found = scheduler(records=4)
    feed(found, "p", (0, "a"), (1, "a"))
    feed(found, "q", (0, "a"), (1, "b"))
    chunk = found.dispatch.next_chunk(1, 0.0)
    found.end_assignments(["p"])

    for _ in chunk:
        chunk.settle_all(None)
    found.dispatch.take_in_outcomes(chunk, 0.0)

    assert found.snapshot().offsets == {"q": (2, -1)}
    assert found.dispatch.totals.processed == 2


def test_the_front_of_a_long_backlog_is_taken_without_counting_all_of_it():
    found = scheduler(records=2, size=25)
    feed(found, "p", *[(offset, "a") for offset in range(9)], size=10)
    feed(found, "q", (0, "b"), size=5)

    assert offsets(found.dispatch.next_chunk(1, 0.0)) == [("p", 0), ("p", 1)]
    assert found.dispatch.next_chunk(1, 0.0) is None, "the rest of the key may not run"
    assert offsets(found.dispatch.next_chunk(1, WAIT)) == [("q", 0)]


class BatchWalk(RuleBasedStateMachine):
    """Random walks; the model knows offsets and keys, and nothing of groups, heaps or lanes."""

    scope = "mixed"

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.found = scheduler(self.scope, size=6)
        self.next = {"p": 0, "q": 0}
        self.keys: dict = {}
        self.left: dict = {}  # unfinished: when it came
        self.busy: set = set()
        self.out: list = []

    @rule(
        partition=st.sampled_from("pq"),
        keys=st.lists(st.sampled_from("ab0"), min_size=1, max_size=6),
        size=st.integers(1, 7),
    )
    def feed_some(self, partition, keys, size):
        first = self.next[partition]
        records = [(first + place, None if key == "0" else key) for place, key in enumerate(keys)]
        feed(self.found, partition, *records, at=self.now, size=size)
        for offset, key in records:
            self.keys[partition, offset], self.left[partition, offset] = key, self.now
        self.next[partition] = first + len(records)

    @rule()
    def take(self):
        due = [task for task in self.may_run() if task.queued_at + WAIT <= self.now]
        chunk = self.found.dispatch.next_chunk(1, self.now)
        if chunk is None:
            assert due == [], "they have waited long enough"
            return
        batch = batch_of(chunk)
        ids = [(task.assignment.partition, task.offset) for task in batch.tasks]
        self.check(ids, batch.tasks)
        self.busy.update(ids)
        self.out.append((chunk, ids, batch.tasks))

    def may_run(self):
        live = [assignment for _, assignment in self.found._assignments.live]
        lanes = [lane for assignment in live for lane in assignment.lanes.values() if not lane.held]
        return [*self.found._backlog.ready.unordered_tasks(), *(task for lane in lanes for task in lane.waiting)]

    def check(self, ids, tasks):
        assert 1 <= len(ids) <= 3
        assert len(ids) == 1 or sum(task.size for task in tasks) <= 6
        for partition, offset in ids:
            key = self.keys[partition, offset]
            if key is not None:
                older = {one for one in self.left if one[0] == partition and one[1] < offset and self.keys[one] == key}
                assert older <= set(ids)
        if self.scope != "mixed":
            assert len({partition for partition, _ in ids}) == 1
        if self.scope == "key":
            assert len({self.keys[one] for one in ids}) == 1

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def settle_one(self, data):
        chunk, ids, tasks = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        drawn = {task: data.draw(st.sampled_from([None, None, "retry", "skip", NotRun])) for task in tasks}
        outcomes = {task: {"retry": Retry(5), "skip": Skip("x")}.get(how, how) for task, how in drawn.items()}
        for _ in chunk:
            chunk.settle_all(outcomes if any(outcomes.values()) else None)
        self.found.dispatch.take_in_outcomes(chunk, self.now)
        self.busy.difference_update(ids)
        held = set()
        for one, task in zip(ids, tasks, strict=True):
            lane, how = (one[0], self.keys[one]), drawn[task]
            is_behind = self.keys[one] is not None and lane in held
            if how == "skip" or (how is None and not is_behind):
                del self.left[one]
            elif self.keys[one] is not None:
                held.add(lane)

    @rule(seconds=st.sampled_from([0.001, 0.02, 0.05]))
    def wait(self, seconds):
        self.now += seconds

    @invariant()
    def nothing_unfinished_is_committed(self):
        for partition, (offset, _) in self.found.snapshot().offsets.items():
            assert not any(one[0] == partition and one[1] < offset for one in self.left)

    @invariant()
    def groups_count_what_may_run(self):
        ready = self.found._backlog.ready
        lanes = [lane for _, found in self.found._assignments.live for lane in found.lanes.values()]
        groups = {group: [] for group in (*ready._groups.values(), *(lane.group for lane in lanes))}
        for task in self.may_run():
            groups[ready._group_of(task) if task.lane is None else task.lane.group].append(task)
        for group, tasks in groups.items():
            assert (group.tasks, group.bytes) == (len(tasks), sum(task.size for task in tasks))
        assert all(lane.bytes == sum(task.size for task in lane.waiting) for lane in lanes)

    @invariant()
    def what_is_out_is_in_flight(self):
        assert self.found.dispatch.in_flight == len(self.busy)
        assert self.found.backpressure.total().records == len(self.left)

    def teardown(self):
        """Everything comes to its end, and nothing stalls: whenever something is left, a time is named for it."""
        for _ in range(300):
            for chunk, ids, _ in self.out:
                for _batch in chunk:
                    chunk.settle_all(None)
                self.found.dispatch.take_in_outcomes(chunk, self.now)
                for one in ids:
                    del self.left[one]
                self.busy.difference_update(ids)
            self.out.clear()
            if not self.left:
                break
            if self.found.dispatch.ready == 0:
                assert self.found.dispatch.next_due is not None
                self.now = max(self.now, self.found.dispatch.next_due)
            self.take()
        assert self.left == {}
        assert self.found.dispatch.in_flight == 0


class PartitionWalk(BatchWalk):
    scope = "partition"


class KeyWalk(BatchWalk):
    scope = "key"


for walk in (BatchWalk, PartitionWalk, KeyWalk):
    walk.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestMixed, TestPartition, TestKey = BatchWalk.TestCase, PartitionWalk.TestCase, KeyWalk.TestCase
