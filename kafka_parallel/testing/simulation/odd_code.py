"""Orderings and deserialisers of the simulated application that do what is not expected of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from kafka_parallel.testing.simulation.clients import text_of
from kafka_parallel.testing.simulation.plan import Plan
from kafka_parallel.testing.simulation.user_code import BY_NAME

# Of seven offsets, to which an odd ordering does what it does.
ODD_OFFSET = 3


def is_odd_to(plan: Plan, record: Any) -> bool:
    """Whether the ordering does to *record* what is not expected."""
    return bool(plan.oddity) and plan.odd_place == "ordering" and record.offset % 7 == ODD_OFFSET


def act_oddly(plan: Plan, record: Any) -> Any:
    """Do that."""
    return BY_NAME[plan.oddity].act(record, None)


def deserializer_of(plan: Plan) -> Callable[[bytes | None], str | None] | None:
    """What the application gives as ``value_deserializer=``."""
    if not plan.is_unreadable:
        return None
    return partial(text_of, oddity=plan.oddity) if plan.odd_place == "deserializer" else text_of
