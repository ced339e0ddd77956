"""Tells whether a static member has been fenced: another one was started with its ``group_instance_id``.

The broker says so to a heartbeat or a commit. 2.x's poll() raises it once; 3.x's only stops its heartbeats and delivers
on, for ever if there is nothing to commit.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from kafka_parallel._runtime.client.client_errors import FENCED
from kafka_parallel._runtime.client.coordinator import is_joining


# see docs/decisions/0056-verdict-needs-a-live-assignment.md
def is_fenced(coordinator: Any) -> bool:
    """Tell whether *coordinator* has heard from the broker that its member is fenced."""
    heartbeats = getattr(coordinator, "_heartbeat_thread", None)  # 2.x
    if isinstance(getattr(heartbeats, "failed", None), FENCED):
        return True
    if getattr(coordinator, "_heartbeat_enabled", True):
        return False
    with getattr(coordinator, "_lock", nullcontext()):  # 3.x stops its heartbeats while it joins, too
        return (
            coordinator.stable()
            and not is_joining(coordinator)
            and not coordinator.rejoin_needed
            and not coordinator._heartbeat_enabled  # noqa: SLF001
        )
