"""Orderings and deserialisers of the simulated application with unexpected behaviour."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from kafka_parallel.testing.simulation.clients import text_of
from kafka_parallel.testing.simulation.plan import Plan
from kafka_parallel.testing.simulation.user_code import BY_NAME

# The one of seven offsets for which an odd ordering is odd.
ODD_OFFSET = 3


def is_odd_to(plan: Plan, record: Any) -> bool:
    """Tell whether the ordering behaves unexpectedly for *record*."""
    return bool(plan.oddity) and plan.odd_place == "ordering" and record.offset % 7 == ODD_OFFSET


def act_oddly(plan: Plan, record: Any) -> Any:
    """Do that."""
    return BY_NAME[plan.oddity].act(record, None)


def deserializer_of(plan: Plan) -> Callable[[bytes | None], str | None] | None:
    """The application's ``value_deserializer=``."""
    if not plan.is_unreadable:
        return None
    return partial(text_of, oddity=plan.oddity) if plan.odd_place == "deserializer" else text_of
