"""Checks that no more is handed out than plugins let be in flight, at the place of the decision, in every act of
taking.

It does not show from outside: a worker goes on with its records from before a throttle closed, and one that begins
something new at that moment looks the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kafka_parallel._core.scheduler import Scheduler


def watch_bounds(scheduler: Scheduler[Any], violate: Callable[[str], object]) -> None:
    """Call *violate* if a worker of *scheduler* is given tasks that plugins do not let start."""
    dispatch, throttles = scheduler.dispatch, scheduler.throttles
    take = dispatch.next_chunk

    def watched_take(limit: int, now: float, *, steals: bool = True) -> Any:
        chunk = take(limit, now, steals=steals)
        if chunk is not None and dispatch.in_flight > throttles.most_in_flight:
            violate(
                f"{chunk.taken} more were handed out: {dispatch.in_flight} are in flight, {throttles.bounds} may be"
            )
        return chunk

    dispatch.next_chunk = watched_take  # type: ignore[method-assign]
