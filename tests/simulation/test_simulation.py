"""The real engine in a world that one seed decides: nothing lost, reordered, committed too early, or stalled."""

from __future__ import annotations

import gc
import json
import logging
import re
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from kafka import TopicPartition

from kafka_parallel.testing import FakeCluster
from kafka_parallel.testing.simulation import __main__ as command
from kafka_parallel.testing.simulation import shrink
from kafka_parallel.testing.simulation.checker import Checker, Violation
from kafka_parallel.testing.simulation.committed import CommittedOffsets
from kafka_parallel.testing.simulation.drawing import draw
from kafka_parallel.testing.simulation.kinds import KINDS
from kafka_parallel.testing.simulation.scenario import Simulation
from kafka_parallel.testing.simulation.sweep import Sweep, SweepError, keep, resumed, run_batch
from kafka_parallel.testing.simulation.world import StalledError, World
from tests.lot import drawn, draws_all, lot
from tests.simulation.changed_plans import changed

# Fresh seeds for ten seconds in each run of the tests, in parts that are run side by side; `make simulate` runs more.
PARTS, SECONDS = 4, 5.0
# Seeds that are run between two looks at the time.
AT_ONCE = 50
# Seeds that once found a bug, with the scenarios of the time or of now; the ones that fail are added. When the first of
# them did, all handlers ran on threads.
REGRESSIONS = Path(__file__).with_name("regressions.txt")

REBALANCES = ((0.05, "start"), (0.3, "rebalance"), (0.3, "start"), *[(wait, "rebalance") for wait in (0.5, 1.0, 1.0)])
# Seeds that failed with something else in their plans than is drawn.
CHANGED = [
    (729153428426, {"executor": "batch on thread-pool with deadline"}),
    (910003919, {"executor": "batch on thread-pool with deadline"}),
    (5000022566, {"executor": "process-pool"}),
    (29000419, {"executor": "thread-pool with deadline", "seeks": True}),
    (29, {"executor": "thread-pool", "slow": 0.1, "lanes": "key", "events": REBALANCES}),
    (0, {"executor": "thread-pool", "commit_faults": 0.4, "membership": "cooperative", "events": REBALANCES}),
]


def plan_of(seed, kind):
    """The plan of a seed, with handlers of one kind."""
    return replace(draw(seed), executor=kind)


def cases(seeds):
    """The seeds with the kinds of handlers they are run with: their own and one by lot, or all of them."""
    by_lot = lot()
    for seed in seeds:
        own = draw(seed).executor
        others = [kind for kind in KINDS if kind != own]
        yield from ((seed, kind) for kind in (own, *(others if draws_all() else [by_lot.choice(others)])))


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("part", range(PARTS))
def test_fresh_seeds_hold(part):
    seed, failed, until = secrets.randbelow(1 << 40), {}, time.monotonic() + SECONDS
    while not failed and time.monotonic() < until:
        failed = run_batch(seed, AT_ONCE)["failed"]
        seed += AT_ONCE

    keep(REGRESSIONS, failed)
    assert not failed, shrink.report(min(failed))


@pytest.mark.parametrize(("seed", "kind"), list(cases(map(int, REGRESSIONS.read_text().split()))))
def test_a_seed_that_once_failed_holds(seed, kind):
    Simulation(seed, plan_of(seed, kind)).run()


@pytest.mark.parametrize(("seed", "changes"), CHANGED)
def test_a_changed_plan_that_once_failed_holds(seed, changes):
    Simulation(seed, changed(seed, **changes)).run()


def test_every_kind_of_handler_is_drawn():
    assert {draw(seed).executor for seed in range(300)} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_a_seed_decides_every_step(seed, kind):
    plan = plan_of(seed, kind)

    assert Simulation(seed, plan).run() == Simulation(seed, plan).run()


@pytest.mark.parametrize("threshold", [1, 50, 1_000_000])
def test_a_seed_decides_every_step_whenever_garbage_is_collected(threshold):
    """Keys of the user's own class are known by weak references, which the collector ends."""
    plan, before = plan_of(3, "batch on process-pool"), gc.get_threshold()
    expected = Simulation(3, plan).run()

    gc.set_threshold(threshold)
    try:
        assert Simulation(3, plan).run() == expected
    finally:
        gc.set_threshold(*before)


@pytest.mark.parametrize("kind", drawn([*KINDS], 2))
def test_a_seed_decides_every_step_in_every_process(kind):
    code = f"from tests.simulation.test_simulation import *; print(Simulation(7, plan_of(7, {kind!r})).run().trace)"
    traces = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }

    assert traces == {Simulation(7, plan_of(7, kind)).run().trace + "\n"}


def test_the_checker_sees_a_commit_that_runs_ahead():
    cluster = FakeCluster(World(0))
    cluster.create_topic("t", 1)
    partition = TopicPartition("t", 0)
    record = cluster.append("t", b"v", b"k", partition=0)
    checker = Checker(cluster, lambda record: record.key, 10, "earliest")

    class Offset:
        offset = record.offset + 1

    checker.holdings.fetched("i", {partition: [record]}, {partition})
    with pytest.raises(Violation, match="is not done"):
        cluster.on_commit("g", {partition: Offset})
    checker.started(checker.called("i", [record]), record, is_owner=True, is_prompt=True)
    with pytest.raises(Violation, match="committed"):
        checker.started(checker.called("i", [record]), record, is_owner=True, is_prompt=True)


@pytest.fixture
def behind_the_start():
    """A checker whose group began at @2 of @0 to @2, jumped to @0, and has committed that; a function that commits."""
    cluster = FakeCluster(World(0))
    cluster.create_topic("t", 1)
    for key in (b"a", b"b", b"a"):
        cluster.append("t", b"v", key, partition=0)
    partition, checker = TopicPartition("t", 0), Checker(cluster, lambda record: record.key, 10, "latest")

    def commit(offset):
        cluster.on_commit("g", {partition: SimpleNamespace(offset=offset, metadata="")})

    commit(2)
    checker.seeks("i", partition, 2, 0)
    commit(0)
    return checker, partition, commit


def test_the_checker_judges_commits_below_the_start_of_the_group_after_a_jump(behind_the_start):
    _, _, commit = behind_the_start

    with pytest.raises(Violation, match="1 was committed, but @0 is not done"):
        commit(1)


def test_a_handler_that_never_returns_blocks_a_partition_below_the_start_of_the_group(behind_the_start):
    checker, partition, _ = behind_the_start

    def is_blocked(first):
        return checker.committed.is_blocked([partition], {(partition, b"a"): first}, lambda record: record.key)

    assert is_blocked(0)
    assert not is_blocked(2)
    assert not checker.committed.is_complete([partition])


def test_a_world_in_which_nobody_can_act_is_a_stall():
    world = World(1)
    world.spawn(lambda: world.park(float("inf")))

    with pytest.raises(StalledError, match="no actor can act"):
        world.run(until=lambda: False)


# A failure that people can read


@pytest.fixture
def broken(monkeypatch):
    """A checker that objects to each commit after the fourth record."""
    judge = CommittedOffsets.commit

    def commit(self, group, offsets):
        judge(self, group, offsets)
        if len(self._done) > 4:
            self._violate("on purpose")

    monkeypatch.setattr(CommittedOffsets, "commit", commit)


def test_a_failing_plan_is_made_smaller(broken, monkeypatch):
    monkeypatch.setattr(shrink, "PATIENCE", 300.0)  # however slow the machine is

    plan, story = shrink.shrink(1, draw(1))

    assert len(plan.records) < len(draw(1).records)
    assert plan.events == ()
    assert story[-1] == "Violation: on purpose"


def test_a_plan_that_holds_cannot_be_made_smaller():
    with pytest.raises(ValueError, match="seed 3 does not fail"):
        shrink.shrink(3, draw(3))


# The command


def test_the_command_runs_seeds(capsys):
    assert command.main(["--seeds", "30", "--first", "0"]) == 0
    assert "30 seeds from 0:" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [["--first", "-1"], ["--seeds", "0"]])
def test_the_command_refuses_seeds_that_do_not_exist(wrong, capsys):
    assert command.main(wrong) == 2
    assert "seeds are whole numbers from 0" in capsys.readouterr().err


def test_an_interrupted_run_goes_on(tmp_path):
    notes = tmp_path / "notes"
    Sweep(5, 40, done=30, records=3, failed={6: "why"}).save(notes)

    sweep = resumed(notes, 40)

    assert (sweep.first, sweep.done, sweep.failed) == (5, 30, {6: "why"})
    assert list(sweep.run()) == [40]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"first": 1}', json.dumps({"first": 1, "seeds": "x", "failed": {}})])
def test_notes_that_are_cut_or_corrupt_are_refused(tmp_path, text, capsys):
    notes = tmp_path / "notes"
    notes.write_text(text)

    assert command.main(["--seeds", "9", "--state", str(notes)]) == 2
    assert re.search("are cut or corrupt|seeds are whole numbers", capsys.readouterr().err)


def test_notes_of_another_run_are_refused(tmp_path):
    Sweep(5, 40).save(tmp_path / "notes")

    with pytest.raises(SweepError, match="of a run of 40 seeds, not 41: remove the file"):
        resumed(tmp_path / "notes", 41)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_says_how_to_go_on_and_leaves_its_notes(tmp_path, how):
    notes = tmp_path / "notes"
    command = [sys.executable, "-m", "kafka_parallel.testing.simulation", "--seeds", "100000", "--state", str(notes)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as running:
        deadline = time.monotonic() + 180
        while not notes.exists():
            assert time.monotonic() < deadline
        running.send_signal(how)
        _, said = running.communicate(timeout=600)

    assert running.returncode == 130
    assert f"run it again with --state {notes} to go on" in said
    assert resumed(notes, 100_000).done < 100_000


def test_notes_that_cannot_be_written_or_read_are_an_error_at_once(tmp_path, capsys):
    assert command.main(["--seeds", "9", "--state", str(tmp_path)]) == 2
    assert "cannot be read" in capsys.readouterr().err
    assert command.main(["--seeds", "9", "--state", str(tmp_path / "nowhere" / "notes")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_failing_seeds_become_regression_cases(broken, tmp_path, capsys, monkeypatch):
    cases = tmp_path / "cases"
    cases.write_text("7\n4\n")
    monkeypatch.setattr(Sweep, "run", lambda sweep: iter([sweep.failed.update({4: "why", 5: "why"}) or sweep.seeds]))

    assert command.main(["--seeds", "9", "--first", "0", "--keep", str(cases)]) == 1

    assert cases.read_text() == "7\n4\n5\n"
    assert "seed 4 fails; run it again" in capsys.readouterr().out
