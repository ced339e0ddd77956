"""A trial run during which a second member joins the group and leaves it again, with records before, amid and after."""

from __future__ import annotations

import threading
import time

from kafka_parallel.testing._plugin_contract.trial import LOOK, Outcome, Setup, Trial

__all__: list[str] = []


def run_with_rebalances(setup: Setup) -> Outcome:
    """Run with a second member, which has plugins of its own, but not the one under test."""
    trial = Trial(setup)
    found = [""]

    def act() -> None:
        trial.start(trial.parallel)
        stuck = trial.wait_until_committed() or _with_second(trial, setup.patience)
        trial.append()
        stuck = stuck or trial.wait_until_committed()
        found[0] = trial.end(trial.parallel) or stuck

    trial.log.during(act)
    return trial.outcome(found[0])


def _with_second(trial: Trial, patience: float) -> str:
    """Let a second member join, get records, and leave; say where the run hangs."""
    consumer = trial.member()
    second = trial.parallel_of(consumer, [])
    trial.append()
    trial.start(second)
    deadline = time.monotonic() + patience
    while not consumer.assignment() and trial.is_running and time.monotonic() < deadline:
        threading.Event().wait(LOOK)
    trial.append()
    return trial.wait_until_committed() or trial.end(second)
