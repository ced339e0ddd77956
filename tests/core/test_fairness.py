"""A record of a quiet partition does not stand behind all that a busy one has waiting."""

from __future__ import annotations

from collections import deque

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kafka_parallel._core.batch_queue import BatchLimits
from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._core.scheduler import Scheduler
from kafka_parallel._core.task import Task


def scheduler(*partitions, limits=None, batches=None):
    found = Scheduler(limits or BufferLimits(10_000, 1 << 30, 1 << 30), commits=CommitRules(), batches=batches)
    found.assign(partitions)
    return found


def feed(found, partition, first, count, key=None):
    tasks = [Task(None, offset, key, 1, 0.0) for offset in range(first, first + count)]
    found.learn_positions({partition: first})
    found.feed({partition: tasks}, {})


def run(found, times=1):
    """Take and finish one record after the other; return them."""
    ran = []
    for _ in range(times):
        chunk = found.dispatch.next_chunk(1, 0.0)
        for task in chunk:
            ran.append((task.assignment.partition, task.offset))
            chunk.settle(task, None)
        found.dispatch.take_in_outcomes(chunk, 0.0)
    return ran


@pytest.mark.parametrize("key", [None, "a"])
def test_the_first_record_of_a_quiet_partition_goes_ahead_of_a_backlog(key):
    found = scheduler("busy", "quiet")
    feed(found, "busy", 0, 1000, key)
    run(found, 100)
    feed(found, "quiet", 0, 1, key)

    assert run(found, 3) == [("quiet", 0), ("busy", 100), ("busy", 101)]


def test_more_of_them_take_turns_with_the_others_until_they_have_caught_up():
    found = scheduler("busy", "other", "quiet")
    feed(found, "busy", 0, 10)
    run(found, 5)
    feed(found, "other", 0, 1)
    feed(found, "quiet", 0, 4)

    ran = run(found, 10)

    assert [offset for partition, offset in ran if partition == "quiet"] == [0, 1, 2, 3]
    assert ("quiet", 0) in ran[:2]
    assert ran.index(("quiet", 1)) - ran.index(("quiet", 0)) >= 2


def test_a_quiet_partition_that_comes_again_and_again_does_not_starve_a_busy_one():
    found = scheduler("busy", *range(5))
    feed(found, "busy", 0, 1000)
    run(found)
    ran = []
    for number in range(50):
        for quiet in range(5):
            feed(found, quiet, number, 1)
        ran += run(found, 3)

    assert sum(partition == "busy" for partition, _ in ran) >= 10


def test_what_is_always_waiting_runs_in_order_of_arrival_so_that_no_busy_partition_is_left_to_the_end():
    found = scheduler("heavy", "light")
    expected = []
    for number in range(5):
        for partition, count in (("heavy", 30), ("light", 3)):
            feed(found, partition, number * count, count)
            expected += [(partition, number * count + place) for place in range(count)]
    # The first batch of the light one came when it had nothing waiting.
    ran = run(found, len(expected))

    heavy = [place for place, (partition, _) in enumerate(ran) if partition == "heavy"]
    assert heavy[-1] >= len(ran) - 6
    assert all(heavy[place] <= place + 15 for place in range(len(heavy)))


def test_a_batch_of_a_quiet_partition_goes_first():
    found = scheduler("busy", "quiet", batches=BatchLimits(2, 1000, 0.0, "partition"))
    feed(found, "busy", 0, 100)
    for _ in range(10):
        chunk = found.dispatch.next_chunk(1, 0.0)
        batch = next(iter(chunk))
        chunk.settle_all(dict.fromkeys(batch.tasks))
        found.dispatch.take_in_outcomes(chunk, 0.0)
    feed(found, "quiet", 0, 2)

    batch = next(iter(found.dispatch.next_chunk(1, 0.0)))

    assert [(task.assignment.partition, task.offset) for task in batch.tasks] == [("quiet", 0), ("quiet", 1)]


class Machine:
    """Sixteen workers, handlers of one second, and a client that hands out one partition until it is paused.

    kafka-python does the same: all it has fetched of one goes first, paused records are parked and come in last.
    """

    def __init__(self, records, topics, key):
        self.busy = [f"busy-{number}" for number in range(topics)]
        self.found = scheduler(*self.busy, "quiet", limits=BufferLimits(records, 1 << 30, 1 << 30))
        self.order = deque(self.busy)
        self.offsets = dict.fromkeys((*self.busy, "quiet"), 0)
        self.key = key
        self.running = []
        self.arrivals = []
        self.waits = []

    def fetch(self, now):
        fed = ()
        for _ in range(4 * len(self.busy)):
            decision = self.found.backpressure.decide_pauses(fed, now)
            if decision.room == 0 or decision.is_all_paused:
                return
            if self.offsets["quiet"] < len(self.arrivals) and "quiet" not in self.order:
                self.order.append("quiet")
            while self.order[0] in decision.paused:
                self.order.rotate(-1)
                if all(partition in decision.paused for partition in self.order):
                    return
            partition = self.order[0]
            count = 1 if partition == "quiet" else min(500, decision.room)
            feed(self.found, partition, self.offsets[partition], count, self.key and f"{self.key}-{partition}")
            self.offsets[partition] += count
            if partition == "quiet":
                self.order.remove("quiet")
            fed = (partition,)

    def work(self, now):
        ended = [entry for entry in self.running if entry[0] <= now]
        self.running = [entry for entry in self.running if entry[0] > now]
        for _, chunk, task in ended:
            chunk.settle(task, None)
            self.found.dispatch.take_in_outcomes(chunk, now)
        while len(self.running) < 16 and (chunk := self.found.dispatch.next_chunk(1, now)) is not None:
            task = next(iter(chunk))
            self.running.append((now + 1.0, chunk, task))
            if task.assignment.partition == "quiet":
                self.waits.append(now - self.arrivals[task.offset])


@pytest.mark.parametrize(("records", "topics"), [(16, 1), (16, 4), (16, 8), (200, 1), (200, 15), (2000, 1), (2000, 15)])
@pytest.mark.parametrize("key", [None, "hot"])
def test_a_quiet_record_waits_for_two_handlers_at_most(records, topics, key):
    machine = Machine(records, topics, key)
    for tick in range(400):  # tenths of a second
        if tick >= 20 and tick % 37 == 0:
            machine.arrivals.append(tick / 10)
        machine.fetch(tick / 10)
        machine.work(tick / 10)

    assert len(machine.waits) >= 9
    assert max(machine.waits) <= 2.1


@given(st.lists(st.tuples(st.sampled_from("pqr"), st.integers(1, 5), st.integers(0, 4)), max_size=40))
def test_every_partition_stays_in_order_and_nothing_is_lost(acts):
    found, offsets, ran = scheduler(*"pqr"), dict.fromkeys("pqr", 0), []
    for partition, count, taken in acts:
        feed(found, partition, offsets[partition], count, key=None if count % 2 else "a")
        offsets[partition] += count
        ran += run(found, min(taken, found.dispatch.ready))
    while found.dispatch.ready:
        ran += run(found)

    for partition, end in offsets.items():
        assert sorted(offset for name, offset in ran if name == partition) == [*range(end)]
