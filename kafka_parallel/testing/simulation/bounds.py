"""Whether no more is handed out than plugins let be in flight: looked at where it is decided, in every act of taking.

From outside it does not show: a worker goes on with what it had before a throttle closed, and one that begins something
new at that moment looks the same.
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
        if chunk is not None and dispatch.in_flight > throttles.in_flight:
            violate(
                f"{chunk.taken} more were handed out: {dispatch.in_flight} are in flight, {throttles.bounds} may be"
            )
        return chunk

    dispatch.next_chunk = watched_take  # type: ignore[method-assign]
