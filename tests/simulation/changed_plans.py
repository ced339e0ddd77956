"""A drawn plan with some of it replaced, for what is seldom drawn together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kafka_parallel.testing.simulation.drawing import draw
from kafka_parallel.testing.simulation.plan import Plan


def changed(seed: int, *, options: dict[str, Any] | None = None, **changes: Any) -> Plan:
    """The plan of *seed* with *changes*, and with some of the options of its consumer replaced."""
    plan = draw(seed)
    return replace(plan, options={**plan.options, **(options or {})}, **changes)
