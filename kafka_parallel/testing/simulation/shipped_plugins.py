"""The plugins of the simulated application that ship with the library and write nothing."""

from __future__ import annotations

from kafka_parallel.testing.simulation.checker import Checker
from kafka_parallel.testing.simulation.current_record import CurrentRecord, has_current_record
from kafka_parallel.testing.simulation.kinds import built_in
from kafka_parallel.testing.simulation.plan import TOPIC, Plan
from kafka_parallel.testing.simulation.world import World


def shipped_plugins(plan: Plan, world: World, checker: Checker) -> list[object]:
    """Make those that *plan* has, in the order in which they are registered."""
    found: list[object] = []
    if plan.backoff is not None:
        found.append(built_in("retry")(**plan.backoff, chance=world.random.random))
    if plan.breaker is not None:
        found.append(built_in("circuit-breaker")(**plan.breaker))
    if plan.pace is not None:
        found.append(built_in("rate-limit")(**plan.pace))
    if plan.adaptive is not None:
        found.append(built_in("adaptive-concurrency")(**plan.adaptive))
    if plan.places is not None and plan.timeout_ms is None:  # a late handler outlives its place
        found.append(built_in("topic-workers")(at_most={TOPIC: plan.places}))
    if plan.has_map:
        found.append(built_in("offset-map")())
    if has_current_record(plan):
        found.append(CurrentRecord(checker, built_in("log-context")(structlog=False)))
    return found
