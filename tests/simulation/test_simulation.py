"""The real engine in a world that one seed decides: nothing lost, reordered, committed too early, or stalled."""

from __future__ import annotations

import logging
import secrets

import pytest
from kafka import TopicPartition

from kafka_parallel.core.assignment import Assignment
from kafka_parallel.core.offsets import OffsetLedger
from kafka_parallel.core.ordering import ReadyQueue
from kafka_parallel.core.scheduler import Scheduler
from kafka_parallel.runtime import client
from kafka_parallel.testing.simulation.checker import Checker, Violation
from kafka_parallel.testing.simulation.fake_cluster import FakeCluster
from kafka_parallel.testing.simulation.scenario import Simulation
from kafka_parallel.testing.simulation.world import StalledError, World

SEEDS = 2000
# Seeds that once found a bug.
REGRESSIONS = [0, 26, 68, 73, 91, 100, 108, 124, 129, 134, 184, 337, 491, 1036, 1052, 1145, 1176, 1311, 1392, 1549]
# A planted bug must be found within so many seeds.
ENOUGH = 1000


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_fresh_seeds_hold():
    first = secrets.randbelow(1 << 40)

    for seed in range(first, first + SEEDS):
        try:
            Simulation(seed).run()
        except Exception as error:
            raise AssertionError(f"seed {seed} failed: replay it with Simulation({seed}).run()") from error


@pytest.mark.parametrize("seed", REGRESSIONS)
def test_a_seed_that_once_failed_holds(seed):
    Simulation(seed).run()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_seed_decides_every_step(seed):
    assert Simulation(seed).run() == Simulation(seed).run()


def commit_highest(ledger):
    return ledger.next


PLANTED: dict = {
    "commit the highest offset, not the contiguous one": lambda patch: patch.setattr(
        OffsetLedger, "committable", property(commit_highest)
    ),
    "forget what was dropped": lambda patch: patch.setattr(
        OffsetLedger, "drop", lambda self, offsets: [self.finish(offset) for offset in offsets]
    ),
    "let two units of a lane out": lambda patch: patch.setattr(
        ReadyQueue, "release", lambda self, lane: setattr(lane, "held", False)
    ),
    "release the lane while its retry waits": lambda patch: patch.setattr(
        Scheduler, "_release", lambda self, unit, last, outcome: unit.lane and self._ready.release(unit.lane)
    ),
    "drop everything that has not started": lambda patch: patch.setattr(
        Scheduler, "_highest_started", staticmethod(lambda assignment, unstarted: -1)
    ),
    "give up a partition whose commit was refused in a rebalance": lambda patch: patch.setattr(
        client, "_is_rebalancing", lambda error: False
    ),
    "do not seek back to what was dropped": lambda patch: patch.setattr(
        client.Client, "seek", lambda self, partition, offset: None
    ),
    "leave without waiting for what still runs": lambda patch: patch.setattr(
        Assignment, "drained", property(lambda self: True)
    ),
    "mark as committed what was only sent": lambda patch: patch.setattr(
        Scheduler, "snapshot", snapshot_and_mark(Scheduler.snapshot)
    ),
}


def snapshot_and_mark(original):
    def snapshot(self, partitions=None):
        found = original(self, partitions)
        self.committed(found)
        return found

    return snapshot


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug, monkeypatch):
    PLANTED[bug](monkeypatch)

    for seed in range(ENOUGH):
        try:
            Simulation(seed).run()
        except Exception:
            return
    pytest.fail(f"{ENOUGH} seeds did not notice: {bug}")


def test_the_checker_sees_a_commit_that_runs_ahead():
    cluster = FakeCluster(lambda: 0.0)
    cluster.create_topic("t", 1)
    partition = TopicPartition("t", 0)
    record = cluster.append(partition, b"k", b"v")
    checker = Checker(cluster, lambda record: record.key)

    class Offset:
        offset = record.offset + 1

    with pytest.raises(Violation, match="is not done"):
        cluster.on_commit("g", {partition: Offset})
    checker.started("i", record)
    with pytest.raises(Violation, match="still ran"):
        checker.started("i", record)


def test_a_world_in_which_nobody_can_act_is_a_stall():
    world = World(1)
    world.spawn(lambda: world.park(float("inf")))

    with pytest.raises(StalledError, match="nobody can act"):
        world.run(until=lambda: False)
