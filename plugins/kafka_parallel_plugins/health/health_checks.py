"""Is this consumer alive, ready and started? Decisions over one observation, with the time in it.

A check of `liveness` fails only where a restart helps. A broker that is down, high lag, an open circuit breaker, a
rebalance and an empty assignment are no such states: a restart of all members makes each of them worse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from kafka_parallel.plugin_support import class_name

if TYPE_CHECKING:
    from kafka import TopicPartition

    from kafka_parallel import Statistics
    from kafka_parallel.facts import PartitionProgress, RunningRecord, State

__all__ = ()

# The states in which run() has not ended.
GOES_ON = frozenset({"new", "starting", "running", "stopping"})


class Check(NamedTuple):
    """One reason for an answer.

    :ivar name: its name in the body.
    :ivar ok: whether it holds.
    :ivar seconds: the time that was compared, if one was.
    :ivar detail: which partition, which error, which plugin.
    """

    name: str
    ok: bool
    seconds: float | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings that checks compare with, in seconds; ``None`` = not checked.

    :ivar poll: longest time in which the loop does not come round.
    :ivar rebalance: the same while a rebalance waits for running records.
    :ivar partition: longest time in which a partition stands still for no reason.
    :ivar handler: longest time of a handler.
    :ivar ready_when_throttled: whether a consumer is ready while a plugin lets no record start.
    """

    poll: float
    rebalance: float
    partition: float | None
    handler: float | None
    ready_when_throttled: bool


@dataclass(frozen=True, slots=True)
class Observation:
    """The facts that one answer is made of.

    :ivar state: how far the run is.
    :ivar error: the error that run() raised, or is about to raise.
    :ivar has_joined: whether the first rebalance is over, with partitions or without.
    :ivar is_rebalancing: whether a rebalance waits for running records, or for plugins.
    :ivar is_stopping: whether a stop was asked for, or the run ends by itself.
    :ivar still: seconds for which each partition that stands still for no reason has done so.
    """

    statistics: Statistics
    state: State
    error: BaseException | None = None
    has_joined: bool = False
    is_rebalancing: bool = False
    is_stopping: bool = False
    still: Mapping[TopicPartition, float] = field(default_factory=lambda: MappingProxyType({}))


def liveness(seen: Observation, limits: Limits) -> list[Check]:
    """The checks of ``/livez``: does the run go on and poll, and does no partition or handler stand still too long?"""
    checks = [_run(seen), _poll(seen, limits)]
    if limits.partition is not None:
        checks.append(_partition(seen, limits.partition))
    if limits.handler is not None:
        seconds = seen.statistics.longest_running_ms / 1000
        checks.append(Check("handler", seconds <= limits.handler, seconds))
    return checks


def readiness(seen: Observation, limits: Limits) -> list[Check]:
    """The checks of ``/readyz``: those of ``/startupz``; and does the run go on, with no stop or closed throttle?"""
    checks = [_run(seen), *startup(seen, limits), Check("stop", not seen.is_stopping)]
    if not limits.ready_when_throttled:
        closed = sorted(plugin for plugin, bound in seen.statistics.throttled.items() if bound == 0)
        checks.append(Check("throttle", not closed, detail=", ".join(closed) or None))
    return checks


def startup(seen: Observation, _limits: Limits) -> list[Check]:
    """The checks of ``/startupz``: is the first rebalance over?"""
    return [Check("assignment", seen.has_joined)]


def _run(seen: Observation) -> Check:
    """The message of the error may hold anything, so only its class is shown."""
    return Check("run", seen.state in GOES_ON, detail=None if seen.error is None else class_name(seen.error))


def _poll(seen: Observation, limits: Limits) -> Check:
    since_ms = seen.statistics.since_poll_ms
    if since_ms is None or seen.state not in GOES_ON:
        return Check("poll", ok=True)
    longest = limits.rebalance if seen.is_rebalancing else limits.poll
    return Check("poll", since_ms / 1000 <= longest, since_ms / 1000)


def _partition(seen: Observation, longest: float) -> Check:
    if not seen.still:
        return Check("partition", ok=True, seconds=0.0)
    worst, seconds = max(seen.still.items(), key=lambda item: item[1])
    return Check("partition", seconds <= longest, seconds, f"{worst.topic}[{worst.partition}]")


class Standstills:
    """Notes since when partitions stand still for no reason that anyone could name. One thread at a time.

    A partition does so while it has lag, is not paused, has nothing running, and finishes nothing. Records that wait
    for their next attempt, for a rate or for handlers that occupy all workers, and a next one that cannot be read, are
    reasons that a restart does not end.
    """

    def __init__(self) -> None:
        self._since: dict[TopicPartition, tuple[object, float]] = {}

    def look(
        self,
        statistics: Statistics,
        progress: Mapping[TopicPartition, PartitionProgress],
        running: Sequence[RunningRecord],
        now: float,
    ) -> dict[TopicPartition, float]:
        """Return for how many seconds each partition that stands still for no reason has been seen to do so."""
        busy = {partition for record in running for partition in record.partitions}
        waits = statistics.waiting or statistics.rate_limited or _is_full(statistics, running)
        suspects = {
            partition: (found.position, found.unfinished, found.head_offset, found.committed)
            for partition, found in progress.items()
            if found.lag
            and not found.paused_by
            and partition not in busy
            and partition not in statistics.unreadable
            and not (found.unfinished and waits)
        }
        self._since = {partition: (mark, self._begin(partition, mark, now)) for partition, mark in suspects.items()}
        return {partition: now - since for partition, (_, since) in self._since.items()}

    def _begin(self, partition: TopicPartition, mark: object, now: float) -> float:
        before = self._since.get(partition)
        return now if before is None or before[0] != mark else before[1]


def _is_full(statistics: Statistics, running: Sequence[RunningRecord]) -> bool:
    """True if no further record may start: handlers occupy all workers, or all that a plugin lets be in flight."""
    bounds = statistics.throttled.values()
    return bool(running) and (
        len(running) >= statistics.workers > 0 or any(statistics.in_flight >= bound for bound in bounds)
    )
