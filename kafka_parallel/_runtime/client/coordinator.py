"""Joins and heartbeats, as the client's coordinator has them in 2.x and 3.x."""

from __future__ import annotations

from typing import Any


def is_joining(coordinator: Any) -> bool:
    """Tell if a join waits for its answer: the consumer shows partitions then that were given up for it."""
    return bool(getattr(coordinator, "rejoining", False))


def finish_joining(coordinator: Any) -> None:
    """Make *coordinator* take up a join again that an earlier poll left half done.

    If new metadata asked for the join and the poll's time was over before its answer came, both 2.3.3 and 3.0.12
    consider the metadata dealt with and never look at the answer: the member stays without partitions for ever.
    """
    if is_joining(coordinator) and not coordinator.rejoin_needed:
        coordinator.request_rejoin()


def end_heartbeats(coordinator: Any, timeout: float) -> None:
    """Wait for the end of 2.x's heartbeat thread, *timeout* seconds at most.

    Before 2.3, close() waits for it with the lock in its hands that the thread needs to end. So it would end later:
    where the interpreter was faster and killed it together with that lock, the consumer's ``__del__`` would wait for
    the lock for ever.
    """
    heartbeats = getattr(coordinator, "_heartbeat_thread", None)
    if heartbeats is not None:
        heartbeats.close(timeout_ms=timeout * 1000)
