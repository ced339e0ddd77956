"""Waits between attempts of any length, in simulated time: none is stretched, and long ones cost no membership."""

from __future__ import annotations

import logging
import re
from functools import partial

import pytest

from kafka_parallel.testing.simulation import scenario
from kafka_parallel.testing.simulation.plan import Plan, Planned
from kafka_parallel.testing.simulation.world import World
from tests.lot import draws_all

# Longer than a member may stay away from poll(); of two simulated hours, most steps are heartbeats and empty polls.
LONG = 3_600_000 if draws_all() else 600_000
LINE = re.compile(r" *(?P<at>[0-9.]+) i0 (?P<what>begins|fails) (?P<place>\d+@\d+)")


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """A world for hours, in which a poll loop makes many steps."""
    monkeypatch.setattr(scenario, "PATIENCE", float("inf"))
    monkeypatch.setattr(scenario, "World", partial(World, most_steps=100_000_000))
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def plan(delay_ms, lanes, habits):
    """Six records of three keys, for one member of a group; every second attempt fails."""
    delays = {"delay_ms": delay_ms, "max_delay_ms": delay_ms, "multiplier": 1, "jitter": 0}
    backoff = {"max_attempts": 1000, "max_share": 0.5, **delays}
    records = tuple(Planned(0, b"abc"[n : n + 1], b"v", 0, 0.0) for _ in range(2) for n in (0, 1, 2))
    options = {
        "workers": 4, "max_buffered_records": 1000, "max_buffered_bytes": 10_000_000, "max_uncommitted": 1000,
        "revoke_timeout_ms": 5000, "stop_timeout_ms": 5000,
    }  # fmt: skip
    return Plan(1, 1, lanes, habits, "eager", options, "earliest", records, (), failing=0.5, backoff=backoff)


@pytest.mark.parametrize(("lanes", "habits"), [("key", "3.x"), ("partition", "2.x"), ("unordered", "3.x")])
@pytest.mark.parametrize("delay_ms", [1, 9, LONG])
def test_an_attempt_begins_when_its_wait_is_over(delay_ms, lanes, habits):
    simulation = scenario.Simulation(1, plan(delay_ms, lanes, habits))

    simulation.run()

    failed_at, waits = {}, []
    for line in filter(None, map(LINE.match, simulation.world.story)):
        at, place = float(line["at"]), line["place"]
        if line["what"] == "fails":
            failed_at[place] = at
        elif place in failed_at:
            waits.append(at - failed_at[place])
    assert waits, "no attempt failed"
    assert min(waits) >= delay_ms / 1000 - 0.001, "the story is told in milliseconds"
    assert max(waits) <= delay_ms / 1000 + 0.3, "it waits for handlers that run, each up to 50 ms, and for nothing else"
    assert sum("assigned" in line for line in simulation.world.story) == 1, "the member was thrown out meanwhile"
