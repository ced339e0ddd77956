"""The facts of one run, for plugins and programs: see `kafka_parallel.facts`.

Things that belong together are read in one visit to the lock; the executor is asked outside of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kafka_parallel._core.progress import at_work
from kafka_parallel._runtime.handlers.whereabouts import running_record
from kafka_parallel._runtime.loop.run_state import RunState
from kafka_parallel.facts import PartitionProgress, Statistics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kafka import TopicPartition

    from kafka_parallel._core.progress import AssignmentProgress
    from kafka_parallel._core.scheduler import Scheduler
    from kafka_parallel._plugins.plugin_errors import PluginErrors
    from kafka_parallel._runtime.client.consumer_adapter import Client
    from kafka_parallel._runtime.clock import Clock
    from kafka_parallel._runtime.handlers.whereabouts import Whereabouts
    from kafka_parallel._runtime.loop.committer import Committer
    from kafka_parallel._runtime.loop.explainer import Explainer
    from kafka_parallel._runtime.loop.locked_scheduler import LockedScheduler
    from kafka_parallel._runtime.loop.log_end_watch import LogEndWatch
    from kafka_parallel._runtime.loop.poll_loop import Loop
    from kafka_parallel._runtime.loop.rebalance import Rebalance
    from kafka_parallel._runtime.loop.shutdown import Shutdown
    from kafka_parallel.explanations import Explanation
    from kafka_parallel.facts import RunningRecord, State


class Sources(NamedTuple):
    """The parts of a run that are asked.

    :ivar workers: most handlers that may run at once.
    :ivar errors: counts those of plugins.
    :ivar explainer: says why it does not go on.
    """

    clock: Clock
    client: Client
    scheduler: LockedScheduler[TopicPartition]
    committer: Committer
    rebalance: Rebalance
    log_ends: LogEndWatch
    loop: Loop
    shutdown: Shutdown
    whereabouts: Whereabouts
    errors: PluginErrors
    workers: int
    explainer: Explainer


class RunFacts:
    """The facts of one run; any thread may ask.

    :ivar run_state: how far it is.
    """

    def __init__(self) -> None:
        self.run_state = RunState()
        self._sources: Sources | None = None

    def begin(self, sources: Sources) -> None:
        """Ask *sources* from now on; plugins that provide some of them may ask already before."""
        self._sources = sources

    @property
    def state(self) -> State:
        """How far the run is."""
        return self.run_state.state

    @property
    def error(self) -> BaseException | None:
        """The error that run() raised or is about to raise."""
        return self.run_state.error

    @property
    def has_joined(self) -> bool:
        """True once the first rebalance is over."""
        return self._sources is not None and self._sources.rebalance.has_joined

    @property
    def is_rebalancing(self) -> bool:
        """True while a rebalance waits for something of ours."""
        return self._sources is not None and self._sources.rebalance.is_under_way

    @property
    def is_stopping(self) -> bool:
        """True as soon as a stop was asked for, or the run ends by itself."""
        is_asked = self._sources is not None and self._sources.shutdown.is_requested
        return is_asked or self.state in {"stopping", "stopped", "failed"}

    def statistics(self) -> Statistics:
        """Return one consistent view; each field of `Statistics` is filled in here and nowhere else."""
        if (sources := self._sources) is None:
            return Statistics(state=self.state)
        return sources.scheduler.ask(lambda scheduler: self._counted(sources, scheduler))

    def _counted(self, sources: Sources, scheduler: Scheduler[TopicPartition]) -> Statistics:
        now = sources.clock.monotonic()
        committed, uncommitted = scheduler.committed_and_uncommitted()
        total = scheduler.backpressure.total()
        polled_at = sources.loop.polled_at
        return Statistics(
            processed=scheduler.dispatch.totals.processed,
            failed=scheduler.dispatch.totals.failed,
            retried=scheduler.dispatch.totals.retried,
            skipped=scheduler.dispatch.totals.skipped,
            in_flight=scheduler.dispatch.in_flight,
            waiting=scheduler.dispatch.waiting,
            buffered=total.records,
            buffered_bytes=total.bytes,
            paused=scheduler.backpressure.paused,
            throttled=scheduler.throttles.bounds,
            rate_limited=scheduler.dispatch.rate_limited(now),
            committed=committed,
            uncommitted=uncommitted,
            commits=sources.committer.commits,
            commit_failures=sources.committer.failures,
            overdue=scheduler.dispatch.overdue,
            abandoned=scheduler.dispatch.totals.abandoned,
            unreadable={partition: found.offset for partition, found in sources.client.unreadable.items()},
            state=self.state,
            longest_running_ms=max((now - since for _, since in at_work(scheduler.dispatch)), default=0.0) * 1000,
            since_poll_ms=None if polled_at is None else (now - polled_at) * 1000,
            backpressure_ms=scheduler.backpressure.time_under_pressure(now) * 1000,
            rebalances=dict(sources.rebalance.counts),
            workers=sources.workers,
            plugin_errors=sources.errors.counts,
        )

    def progress(self) -> Mapping[TopicPartition, PartitionProgress]:
        """Return how far each partition is."""
        if (sources := self._sources) is None:
            return {}
        ends = sources.log_ends.known()  # before: then no position is behind an end that is newer
        found = sources.scheduler.ask(lambda scheduler: scheduler.progress())
        others = (
            {"user": sources.client.partitions.paused_by_user(), "unreadable": sources.client.unreadable}
            if found
            else {}
        )
        return {
            partition: _progress(seen, ends.get(partition), [why for why, held in others.items() if partition in held])
            for partition, seen in found.items()
        }

    def running(self, *, places: bool = False) -> Sequence[RunningRecord]:
        """Return what workers are at, the one that has been running for the longest first."""
        if (sources := self._sources) is None:
            return ()
        now = sources.clock.monotonic()
        found = sorted(sources.scheduler.ask(lambda scheduler: at_work(scheduler.dispatch)), key=lambda found: found[1])
        items = [item for item, _ in found]
        workers = sources.whereabouts.workers_of(items)
        found_at = [sources.whereabouts.place_of(item) if places else None for item in items]
        return [
            running_record(item, (now - since) * 1000, worker, place)
            for (item, since), worker, place in zip(found, workers, found_at, strict=True)
        ]

    def explain(self, *, keys: bool = False) -> Sequence[Explanation]:
        """Return why the run does not go on, the worst reason first."""
        sources = self._sources
        return [] if sources is None else sources.explainer.explain(self.state, self.error, keys=keys)


def _progress(seen: AssignmentProgress, end: int | None, others: Sequence[str]) -> PartitionProgress:
    """Put together what the scheduler and the client know of a partition; an end below its position is too old."""
    if end is not None and seen.position is not None:
        end = max(end, seen.position)
    return PartitionProgress(
        position=seen.position,
        log_end=end,
        committed=seen.committed,
        unfinished=seen.unfinished,
        span=seen.span,
        head_offset=seen.head_offset,
        head_timestamp_ms=None if seen.head is None or seen.head.record.timestamp < 0 else seen.head.record.timestamp,
        paused_by=(*([] if seen.paused_for is None else [seen.paused_for]), *others),
    )
