"""How a failing run is told to people: the smallest plan that still fails in the same way, and its story.

The seed goes on deciding who acts next, so a smaller plan is another run. That does not matter: if it breaks the same
promise, it is the better example.
"""

from __future__ import annotations

import re
import time
from asyncio import CancelledError
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kafka_parallel.testing.simulation.drawing import draw
from kafka_parallel.testing.simulation.plan import Plan
from kafka_parallel.testing.simulation.scenario import Simulation

# The time to look for smaller plans, in seconds.
PATIENCE = 20.0
# The number of lines of the story that are shown.
LINES = 60

NO_TROUBLE: tuple[dict[str, Any], ...] = (
    {"hostile": 0.0}, {"late": 0.0}, {"hiccups": 0.0}, {"poll_faults": 0.0}, {"commit_faults": 0.0}, {"failing": 0.0},
    {"slow": 0.0}, {"is_halting": False}, {"is_fatal": False}, {"neighbour": ""},
    {"limit": None}, {"dead_letters": False, "limit": None}, {"partitions": 1},
    {"executor": "thread-pool"}, {"overdue": 0.0}, {"dying": 0.0}, {"kept_out": 0.0},
)  # fmt: skip


def fails(seed: int, plan: Plan) -> tuple[str, list[str]] | None:
    """Run *plan*; return the failure without its numbers, and the story; ``None`` if it holds."""
    simulation = Simulation(seed, plan)
    try:
        simulation.run()
    except (Exception, CancelledError) as error:  # noqa: BLE001 - any failure is a finding
        kind = re.sub(r"\d+", "#", f"{type(error).__name__}: {error}")
        return kind, [*simulation.world.story, f"{type(error).__name__}: {error}"]
    return None


def shrink(seed: int, plan: Plan) -> tuple[Plan, list[str]]:
    """Return the smallest plan found that fails as *plan* does, and its story.

    :raises ValueError: if *plan* does not fail.
    """
    found = fails(seed, plan)
    if found is None:
        raise ValueError(f"seed {seed} does not fail: there is nothing to shrink")
    kind, story = found
    deadline = time.monotonic() + PATIENCE
    while (smaller := _first_failing(seed, plan, kind, deadline)) is not None:
        plan, story = smaller
    return plan, story


def _first_failing(seed: int, plan: Plan, kind: str, deadline: float) -> tuple[Plan, list[str]] | None:
    """The first smaller plan that fails in the same way, and its story; ``None`` if there is none in time."""
    for smaller in _smaller(plan):
        if time.monotonic() > deadline:
            return None
        tried = fails(seed, smaller)
        if tried is not None and tried[0] == kind:
            return smaller, tried[1]
    return None


def _smaller(plan: Plan) -> Iterator[Plan]:
    """Plans with something left out, the biggest cuts first."""
    half = len(plan.records) // 2
    if half:
        yield replace(plan, records=plan.records[:half])
        yield replace(plan, records=plan.records[half:])
    for place in range(len(plan.events)):
        yield replace(plan, events=plan.events[:place] + plan.events[place + 1 :])
    for change in NO_TROUBLE:
        if any(getattr(plan, name) != value for name, value in change.items()):
            yield replace(plan, **change)
    if plan.options["workers"] > 1:
        yield replace(plan, options={**plan.options, "workers": plan.options["workers"] - 1})
    if len(plan.records) <= 8:
        for place in range(len(plan.records)):
            yield replace(plan, records=plan.records[:place] + plan.records[place + 1 :])


def report(seed: int) -> str:
    """Tell the failure of seed *seed*: the shrunk plan, the end of its story, and how to run it again."""
    plan, story = shrink(seed, draw(seed))
    left_out = [f"    ... {len(story) - LINES} lines before"] if len(story) > LINES else []
    return "\n".join(
        [
            f"seed {seed} fails; run it again: python -m kafka_parallel.testing.simulation --first {seed} --seeds 1",
            f"  shrunk to {len(plan.records)} records and {len(plan.events)} events: {plan}",
            *left_out,
            *(f"    {line}" for line in story[-LINES:]),
        ]
    )
