"""The answer to "why does it not go on?": all obstacles of a run, the worst first.

The obstacles of one moment are read in one visit to the lock, those that only the client knows without it. The worst
are those of the run as a whole, then come records that hold a commit point, the longest first, then partitions that are
not fetched, those last that only wait for room. A partition whose record has been running, or waiting for a worker, for
less than a second is no obstacle.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, cast, get_args

from kafka_parallel._core.obstacles import Head, Obstacles, obstacles
from kafka_parallel._core.progress import handler_of
from kafka_parallel._runtime.handlers.whereabouts import place_in
from kafka_parallel._runtime.loop import sentences
from kafka_parallel._runtime.loop.sentences import Where
from kafka_parallel.explanations import Explanation, PauseReason

if TYPE_CHECKING:
    from kafka import TopicPartition

    from kafka_parallel._runtime.client.consumer_adapter import Client
    from kafka_parallel._runtime.clock import Clock
    from kafka_parallel._runtime.handlers.whereabouts import Whereabouts
    from kafka_parallel._runtime.loop.committer import Committer
    from kafka_parallel._runtime.loop.locked_scheduler import LockedScheduler
    from kafka_parallel._runtime.loop.poll_loop import Loop
    from kafka_parallel._runtime.loop.rebalance import Rebalance
    from kafka_parallel._runtime.loop.shutdown import Shutdown
    from kafka_parallel._runtime.loop.stuck_handlers import StuckHandlers
    from kafka_parallel.explanations import Cause
    from kafka_parallel.facts import State

# Shorter than this, in seconds, is no standstill; and how long a round of the loop may take.
SHORT, LONG_ROUND = 1.0, 5.0
# The reasons of a record that are over soon where all goes well.
USUAL = frozenset({"handler", "worker", "key"})
# The reasons that are limits; another name is that of a plugin, whose throttle is a reason by itself.
LIMITS = frozenset(get_args(PauseReason)) - {"not due", "user", "unreadable"}


# see docs/decisions/0069-one-sentence-per-cause.md
class Explainer:
    """Explains one run; any thread may ask."""

    def __init__(
        self,
        client: Client,
        scheduler: LockedScheduler[TopicPartition],
        committer: Committer,
        rebalance: Rebalance,
        loop: Loop,
        stuck_handlers: StuckHandlers,
        shutdown: Shutdown,
        whereabouts: Whereabouts,
        clock: Clock,
    ) -> None:
        self._client = client
        self._scheduler = scheduler
        self._committer = committer
        self._rebalance = rebalance
        self._loop = loop
        self._stuck_handlers = stuck_handlers
        self._shutdown = shutdown
        self._whereabouts = whereabouts
        self._clock = clock

    def explain(self, state: State, error: BaseException | None, *, keys: bool) -> list[Explanation]:
        """Return all reasons, the worst first; at least one."""
        if state not in {"running", "stopping"}:
            return [Explanation("not running", sentences.not_running(state, error))]
        now = self._clock.monotonic()
        found = self._scheduler.ask(partial(obstacles, now=now))
        obstructed = [
            *self._of_the_run(found, now),
            *sorted(self._of_records(found, now, keys=keys), key=lambda reason: -reason.lasts_ms),
            *self._of_fetching(found, now),
        ]
        return [*(obstructed or [self._none(found)]), *self._of_limits(found)]

    # The run as a whole

    def _of_the_run(self, found: Obstacles[TopicPartition], now: float) -> Iterator[Explanation]:
        if self._shutdown.is_requested:
            yield Explanation("stopping", sentences.stopping(self._shutdown.requested_by))
        yield from self._of_brokers()
        yield from self._of_rebalances(now)
        yield from self._of_the_loop(now)
        sent_at = self._committer.sent_at
        if sent_at is not None and now - sent_at >= SHORT:
            yield Explanation("commit", sentences.commit_waits(now - sent_at), lasts_ms=(now - sent_at) * 1000)
        if found.closed_by is not None:
            yield Explanation("throttle", sentences.throttled(found.closed_by))
        for where, unreadable in sorted(self._client.unreadable.items()):
            sentence = sentences.unreadable(where, unreadable.offset, unreadable.error)
            yield Explanation("unreadable", sentence, where, unreadable.offset)
        if not found.assigned:
            yield Explanation("unassigned", sentences.UNASSIGNED)

    def _of_brokers(self) -> Iterator[Explanation]:
        connections = self._client.connections
        if connections.has_none():
            seconds = connections.silent_for(self._clock)
            sentence = sentences.no_broker(connections.addresses(), seconds)
            yield Explanation("broker", sentence, lasts_ms=(seconds or 0.0) * 1000)
            return
        unanswered = connections.unanswered(self._clock, is_joining=self._client.is_joining)
        for broker, seconds in sorted(unanswered.items(), key=lambda silent: (-silent[1], silent[0])):
            yield Explanation("broker", sentences.unanswered(broker, seconds), lasts_ms=seconds * 1000)

    def _of_rebalances(self, now: float) -> Iterator[Explanation]:
        draining = self._rebalance.draining
        if draining is not None:
            partitions, end = draining
            sentence = sentences.rebalance_drains(partitions, max(0.0, end - now), self._stuck_handlers.at_work())
            yield Explanation("rebalance", sentence)
        elif self._client.is_joining:
            yield Explanation("rebalance", sentences.JOINS)

    def _of_the_loop(self, now: float) -> Iterator[Explanation]:
        polled_at = self._loop.polled_at
        if polled_at is None or now - polled_at < LONG_ROUND or self._rebalance.draining or self._shutdown.is_requested:
            return
        sentence = sentences.loop_is_stuck(now - polled_at, self._place_of_the_loop())
        yield Explanation("loop", sentence, lasts_ms=(now - polled_at) * 1000)

    def _place_of_the_loop(self) -> str | None:
        ident = self._loop.thread_id
        frame = None if ident is None else sys._current_frames().get(ident)  # noqa: SLF001 - documented
        return None if frame is None else place_in("".join(traceback.format_stack(frame)))

    # The records that hold commit points

    def _of_records(self, found: Obstacles[TopicPartition], now: float, *, keys: bool) -> Iterator[Explanation]:
        since = self._stuck_handlers.standing_since()
        for partition, head in found.heads.items():
            standing = head.standing
            if standing.reason == "throttle":
                continue
            handler = handler_of(partition, standing.offset, found.running)
            begun = [at for at in (since.get(partition), standing.since, handler and handler[1]) if at is not None]
            seconds = max(0.0, now - min(begun, default=now))
            if standing.reason in USUAL and seconds < SHORT:
                continue
            where = Where(
                None if handler is None else self._whereabouts.running_record(*handler, now),
                _key_of(head) if keys else None,
            )
            sentence = sentences.stands(partition, standing, seconds, now, where)
            yield Explanation(standing.reason, sentence, partition, standing.offset, seconds * 1000)

    # The partitions that are not fetched

    def _of_fetching(self, found: Obstacles[TopicPartition], now: float) -> Iterator[Explanation]:
        if not self._client.connections.has_none():
            for partition, leader in sorted(self._client.connections.lost_leaders(found.unfinished).items()):
                yield Explanation(
                    "leader", sentences.leader_is_lost(partition, leader), partition, found.head_offset(partition)
                )
        for partition in sorted(found.held_until.keys() & found.paused_for.keys()):
            yield Explanation(
                "not due", sentences.not_due(partition, found, now), partition, found.head_offset(partition)
            )
        for partition in sorted(self._client.partitions.paused_by_user()):
            yield Explanation("user", sentences.paused_by_user(partition), partition, found.head_offset(partition))

    @staticmethod
    def _of_limits(found: Obstacles[TopicPartition]) -> Iterator[Explanation]:
        """Name the partitions that wait for room: where workers are the bottleneck, that is as it should be."""
        for partition, reason in sorted(found.paused_for.items()):
            if reason in LIMITS:
                sentence = sentences.not_fetched(partition, found)
                yield Explanation(cast("Cause", reason), sentence, partition, found.head_offset(partition))

    @staticmethod
    def _none(found: Obstacles[TopicPartition]) -> Explanation:
        unfinished = sum(found.unfinished.values())
        if unfinished:
            return Explanation("flowing", sentences.flowing(found.in_flight, unfinished))
        return Explanation("idle", sentences.idle(found.assigned))


def _key_of(head: Head) -> bytes | None:
    """The key of a record as Kafka delivered it; ``None`` where deserialisers run in ``poll()``."""
    key = getattr(head.record, "key", None)
    return key if isinstance(key, bytes) else None
