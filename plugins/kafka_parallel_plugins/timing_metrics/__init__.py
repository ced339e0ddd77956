"""Times of waiting and handling, by topic and by slow key, and the loop's time lost to commits and back-pressure.

Cost around a handler that does nothing, with CPython 3.11 on a shared machine without a broker: 0.5 µs per record on
one thread, 0.9 µs on four, 0.7 µs with ``async def`` handlers; 0.2 µs to 0.3 µs of that are the consumer's own cost of
``on_handled``. A snapshot takes a millisecond or two per topic and thread. Resolution: quantiles are within 0.8 % of
the exact ones, or 1 µs if that is more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kafka_parallel import ConfigurationError, Retry, Settings, Skip, hookimpl
from kafka_parallel.errors import FATAL
from kafka_parallel.plugin_support import get_logger, shown
from kafka_parallel_plugins.timing_metrics import report as reports
from kafka_parallel_plugins.timing_metrics.last_minute import last_minute
from kafka_parallel_plugins.timing_metrics.loop_times import CommitTimes, PausedTime, RunTime
from kafka_parallel_plugins.timing_metrics.recorders import PERIOD, Recorders
from kafka_parallel_plugins.timing_metrics.snapshot import (
    CommitTimings,
    Distribution,
    LastMinute,
    Snapshot,
    TimeTaker,
    TopicTimings,
    topic_timings,
)
from kafka_parallel_plugins.timing_metrics.time_takers import batch_sizes, has_batch

if TYPE_CHECKING:
    from kafka import TopicPartition

    from kafka_parallel import BackpressureEvent, Handled, RecordContext

__all__ = [
    "CommitTimings",
    "Distribution",
    "LastMinute",
    "Snapshot",
    "TimeTaker",
    "TimingMetrics",
    "TopicTimings",
]

log = get_logger(__name__)


# see docs/decisions/0054-measured-per-chunk.md and docs/decisions/0073-time-is-sampled.md
class TimingMetrics:
    """Times records per topic, commits and back-pressure; read it at any time with `snapshot`.

    Threads: the hooks run where the consumer calls them; any thread may call `snapshot`.

    :param log_interval_ms: milliseconds between two log lines with the numbers (level INFO) while records arrive; the
        last one is written at the end; ``None`` = never. The worker that hands over first when it is due writes it.
    :param report: print the numbers as tables on standard error when the consumer stops; needs the extra ``metrics``.
    :param keys: whether snapshots, the report and the log show the keys of records that took the most of the time,
        which may be personal data; else a hash that tells them apart.
    :param wall_clock: returns seconds since the Unix epoch, compared with the timestamps of records.
    :raises ConfigurationError: a setting cannot work, or rich is needed and not installed.
    """

    def __init__(
        self,
        *,
        log_interval_ms: float | None = None,
        report: bool = False,
        keys: bool = False,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        if not isinstance(keys, bool):
            raise ConfigurationError(f"timing-metrics: keys={shown(keys)}: it must be True or False")
        self._with_keys = keys
        self._log_interval = _seconds(log_interval_ms)
        self._console = reports.console() if report else None
        self._wall_clock = wall_clock
        self._clock: Callable[[], float] = time.monotonic
        self._recorders = Recorders(with_keys=keys)
        self._commits = CommitTimes()
        self._paused = PausedTime()
        self._runs = RunTime()
        self._has_batches = False
        self._log_lock = Lock()
        self._log_due = float("inf")

    def snapshot(self) -> Snapshot:
        """Return all numbers up to now; a record handled meanwhile may be in one of them and not yet in another."""
        since, now = self._runs.span(self._clock())
        by_topic = self._recorders.by_topic()
        return Snapshot(
            MappingProxyType({topic: topic_timings(periods, now - since) for topic, periods in by_topic.items()}),
            self._commits.timings(),
            self._paused.seconds(now) * 1000,
            last_minute(by_topic, self._runs.running(), since=since, now=now, with_keys=self._with_keys),
        )

    @hookimpl
    def on_start(self, settings: Settings) -> None:
        """Keep the consumer's monotonic clock, and begin to measure its run."""
        self._clock = settings.clock
        now = self._clock()
        self._runs.note_start(settings.facts, now)
        self._log_due = now + self._log_interval

    @hookimpl
    def on_handled(self, handled: Sequence[Handled]) -> None:
        """Measure the attempts that have ended; log a report if the interval is over."""
        now = self._clock()
        since_epoch = self._wall_clock() - now
        if not self._has_batches and has_batch(handled):
            self._has_batches = True
        batches = batch_sizes(handled) if self._has_batches else None
        for topic, attempts in _by_topic(handled).items():
            self._recorders.mine(topic).add_all(attempts, since_epoch, now // PERIOD, batches)
        if now >= self._log_due:
            self._log_if_due(now)

    @hookimpl(wrapper=True)
    def on_error(self, context: RecordContext) -> Generator[None, Any, Any]:
        """Count the verdict by topic: retried, skipped, or halted."""
        answer = None
        try:
            answer = yield
        finally:
            period = self._recorders.mine(context.raw.topic).period(self._clock() // PERIOD)
            period.retried += isinstance(answer, Retry)
            period.skipped += isinstance(answer, Skip)
            period.halted += not isinstance(answer, Retry | Skip)
        return answer

    @hookimpl(wrapper=True)
    def on_commit(self) -> Generator[None, Any, Any]:
        """Measure how long the commit takes, and count whether it failed."""
        started = self._clock()
        try:
            result = yield
        except Exception:
            self._commits.add(self._clock() - started, failed=True)
            raise
        self._commits.add(self._clock() - started, failed=False)
        return result

    @hookimpl
    def on_backpressure(self, event: BackpressureEvent) -> None:
        """Note which partitions are paused from now on."""
        now = self._clock()
        self._paused.note_paused(event.paused.keys(), now)
        self._paused.note_resumed(event.resumed, now)

    @hookimpl
    def on_revoke(self, partitions: frozenset[TopicPartition]) -> None:
        """Forget that *partitions* were paused: their resumption will not be announced."""
        self._paused.note_resumed(partitions, self._clock())

    @hookimpl
    def on_stop(self, settings: Settings) -> None:
        """Log the last report if there is an interval of logs, and print the tables if a console was given."""
        now = self._clock()
        self._paused.stop(now)
        self._runs.note_stop(settings.facts, now)
        if self._log_interval != float("inf"):
            self._log()
        if self._console is not None:
            reports.print_tables(self.snapshot(), self._console)

    def _log_if_due(self, now: float) -> None:
        with self._log_lock:
            if now < self._log_due:
                return
            self._log_due = now + self._log_interval
        self._log()

    def _log(self) -> None:
        for line in reports.lines(self.snapshot()):
            log.info(line)


def _by_topic(handled: Sequence[Handled]) -> dict[str, Sequence[Handled]]:
    """Sort attempts by topic, which is nearly always one; one that was only interrupted there does not count."""
    topics = {record.topic for record, _, _, _, _, error in handled if not isinstance(error, FATAL)}
    if len(topics) == 1:
        return dict.fromkeys(topics, handled)
    return {topic: [attempt for attempt in handled if attempt[0].topic == topic] for topic in topics}


def _seconds(log_interval_ms: float | None) -> float:
    if log_interval_ms is None:
        return float("inf")
    if not isinstance(log_interval_ms, int | float) or not 0 < log_interval_ms < float("inf"):
        raise ConfigurationError(
            f"timing-metrics: log_interval_ms={shown(log_interval_ms)}: set a finite number above 0, or leave it out"
        )
    return log_interval_ms / 1000
