"""Lets a cooperative member go on with the partitions it keeps while it waits for its group.

It holds its partitions while it joins: no other member gets one before this one has taken the answer in, and
has joined again without the partition. Kafka's own consumer hands out records meanwhile. kafka-python's ``poll()``
returns nothing until the answer is there, and that comes when the last member has heard of the rebalance by its
heartbeat: three seconds by default, for a whole group.

``poll()`` fetches if ``poll()`` of its coordinator says that the member is in its group. So for the time of a run that
says so while the member joins, too. The client takes an answer in within that same call, on the thread that fetches:
assignments do not change while records are handed out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import kafka

from kafka_parallel._logs import area_logger
from kafka_parallel._runtime.client.coordinator import is_joining

if TYPE_CHECKING:
    from kafka_parallel._runtime.client.changes import Changes
    from kafka_parallel._runtime.client.membership import Membership

log = area_logger("rebalance")

# The longest wait for records before the next look for the group's answer, in seconds.
LOOK = 0.02
# The shortest time for new metadata, in milliseconds: a look without any would never meet an answer over a slow line.
UPDATE_MS = 500
# The versions whose joins were read to the end; the second one is a state of August 2026.
KNOWN = ("3.0.", "3.1.0.dev")


# see docs/decisions/0103-fetching-while-joining.md
def put(coordinator: Any, membership: Membership, changes: Changes) -> None:
    """Let the consumer of *coordinator* fetch while it joins until *changes* are taken back, if it may at all."""
    protocol = getattr(coordinator, "_rebalance_protocol", None)
    if protocol is None:  # 2.x, whose members give up all partitions to join
        return
    is_cooperative = protocol.name == "COOPERATIVE"
    if kafka.__version__.startswith(KNOWN):
        fetching = FetchingWhileJoining(coordinator, membership, is_cooperative=is_cooperative)
        for name in ("poll", "ensure_active_group", "time_to_next_poll"):
            changes.put(vars(coordinator), name, value=getattr(fetching, name))
    elif is_cooperative:
        log.info("poll() returns nothing while this member waits for its group: the joins of kafka-python %s are not "
                 "known to be those of %sx", kafka.__version__, KNOWN[0])  # fmt: skip


class FetchingWhileJoining:
    """The methods of one member's coordinator that decide whether ``poll()`` fetches, and after which wait.

    :param coordinator: the client's.
    :param membership: its membership as it was last seen.
    :param is_cooperative: whether it keeps partitions while it joins.
    """

    def __init__(self, coordinator: Any, membership: Membership, *, is_cooperative: bool) -> None:
        self._coordinator = coordinator
        self._membership = membership
        self._is_cooperative = is_cooperative
        self._poll = coordinator.poll
        self._ensure_active_group = coordinator.ensure_active_group
        self._time_to_next_poll = coordinator.time_to_next_poll
        self._wait_ms: float | None = None

    def poll(self, timeout_ms: float | None = None) -> bool:
        """Take part in the group, without waiting for others if there is something to fetch meanwhile.

        :returns: whether records may be handed out.
        """
        coordinator = self._coordinator
        if self._is_unanswered and self._keeps_partitions:
            coordinator._invoke_completed_offset_commit_callbacks()  # noqa: SLF001 - the rest of poll() joins
            return True
        if is_joining(coordinator) or coordinator.need_rejoin():
            self._await_answer()
            self._wait_ms, timeout_ms = timeout_ms, self._time_to_join(timeout_ms)
        return bool(self._poll(timeout_ms=timeout_ms)) or (is_joining(coordinator) and self._keeps_partitions)

    def ensure_active_group(self, timeout_ms: float | None = None) -> bool:
        """Begin a join or take its answer in, and wait for others only if there is nothing to fetch meanwhile."""
        if timeout_ms is not None and self._wait_ms is not None:
            timeout_ms = min(timeout_ms, self._wait_ms)
        return bool(self._ensure_active_group(timeout_ms=0 if self._keeps_partitions else timeout_ms))

    def time_to_next_poll(self) -> float:
        """The seconds until `poll` is to be called again; the client counts to a heartbeat, and joins without any."""
        return LOOK if is_joining(self._coordinator) else float(self._time_to_next_poll())

    def _time_to_join(self, timeout_ms: float | None) -> float | None:
        """The time for the client's ``poll()``: with a pattern it waits for newer metadata first, each time."""
        has_pattern = self._coordinator._subscription.subscribed_pattern is not None  # noqa: SLF001
        return timeout_ms if timeout_ms is None or not has_pattern else max(timeout_ms, UPDATE_MS)

    @property
    def _is_unanswered(self) -> bool:
        join = getattr(self._coordinator, "_join_task", None)
        is_answered = join is None or (join.has_answer if isinstance(join, AwaitedJoin) else join.is_done)
        return is_joining(self._coordinator) and not is_answered

    @property
    def _keeps_partitions(self) -> bool:
        """True if there are partitions, and no reason to believe that they are another member's.

        A member that was removed joins anew under another id.
        """
        coordinator = self._coordinator
        return (
            self._is_cooperative
            and bool(coordinator._subscription.assignment)  # noqa: SLF001
            and self._membership.is_unchanged
            and self._is_heard_of
            and not coordinator.coordinator_unknown()
        )

    @property
    def _is_heard_of(self) -> bool:
        """False if the member may have been removed, for it has not heard of its coordinator for a session.

        It hears of that by the answer to its join, which may be late by minutes.
        """
        return not self._coordinator.heartbeat.session_timeout_expired()

    def _await_answer(self) -> None:
        """Let the client take in an answer that came between two calls: it would forget it, and join once more."""
        join = getattr(self._coordinator, "_join_task", None)
        if join is not None and not isinstance(join, AwaitedJoin) and self._is_heard_of:
            self._coordinator._join_task = AwaitedJoin(join)  # noqa: SLF001


class AwaitedJoin:
    """A join that the client awaits, answered or not.

    :param join: the future of its answer.
    :ivar is_done: whether to begin another one without a look at the answer.
    """

    is_done = False

    def __init__(self, join: Any) -> None:
        self._join = join
        self.add_callback = join.add_callback
        self.add_errback = join.add_errback

    @property
    def has_answer(self) -> bool:
        """True if an answer has come, or an error."""
        return bool(self._join.is_done)
