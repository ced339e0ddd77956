"""The measurements so far, as values that no longer change. All durations are in milliseconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kafka_parallel_plugins.timing_metrics.buckets import Buckets, merge, quantile
from kafka_parallel_plugins.timing_metrics.recorders import Period

__all__ = ["CommitTimings", "Distribution", "LastMinute", "Snapshot", "TimeTaker", "TopicTimings"]


@dataclass(frozen=True, slots=True)
class Distribution:
    """The spread of durations. Quantiles are within 0.8 % of the exact ones, or 1 µs if that is more; all 0 if *count*
    is.

    :ivar count: how many durations.
    :ivar p50: half of them are not longer, in milliseconds.
    :ivar p95: 95 % are not longer.
    :ivar p99: 99 % are not longer.
    :ivar max: the longest, to the microsecond.
    """

    count: int
    p50: float
    p95: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class TopicTimings:
    """The times and outcomes of the records of one topic.

    :ivar queue_ms: milliseconds from ``poll()`` to the start of the handler, of first attempts.
    :ivar handler_ms: milliseconds of the handler and the wrappers of ``on_record``, of all attempts, failed ones too; a
        record of a batch has the time of its batch.
    :ivar end_to_end_ms: milliseconds from the record's timestamp to the end of the handler, of handled records that
        have one. The timestamp is the producer's (or the broker's) clock, the end is this machine's.
    :ivar handled: attempts that succeeded.
    :ivar failed: attempts that raised.
    :ivar retried: failures answered with ``Retry``.
    :ivar skipped: failures answered with ``Skip``, dead letters included.
    :ivar halted: failures answered with ``Halt``, not answered, or answered by a plugin that raised.
    :ivar per_second: attempts that succeeded, per second of the time that the snapshot, or its last minute, is about.
    """

    queue_ms: Distribution
    handler_ms: Distribution
    end_to_end_ms: Distribution
    handled: int
    failed: int
    retried: int
    skipped: int
    halted: int
    per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class CommitTimings:
    """The count and the duration of commits.

    :ivar count: commits that succeeded.
    :ivar failures: commits that raised.
    :ivar duration_ms: how many milliseconds both took.
    """

    count: int
    failures: int
    duration_ms: Distribution


@dataclass(frozen=True, slots=True)
class TimeTaker:
    """A partition or a key at which handlers were in the last minute.

    :ivar topic: the topic.
    :ivar partition: the partition; each has keys of its own.
    :ivar took_ms: milliseconds that handlers took, at least: attempts that ended in the last minute, and as much of
        those that still run as is within it. The record of a batch has its share of the time of the batch.
    :ivar share: the same as a share of the time of all handlers, from 0.0 to 1.0.
    :ivar error_ms: how many milliseconds more it may have been, because only the heaviest keys are watched; 0 for a
        partition. Sampling adds about a millisecond for each time that handlers came to it.
    :ivar key: the key of the record, as bytes, a long one by its beginning; which may be personal data, so it is
        ``None`` unless ``keys=True`` was set, and ``repr`` does not show it.
    :ivar key_hash: 8 digits that are the same for a key in every process; ``None`` for a partition.
    """

    topic: str
    partition: int
    took_ms: float
    share: float
    error_ms: float = 0.0
    key: bytes | None = field(default=None, repr=False)
    key_hash: str | None = None


@dataclass(frozen=True, slots=True)
class LastMinute:
    """The 60 to 70 seconds before the snapshot, or before the consumer stopped: whole periods of 10, and the last one.

    :ivar seconds: how many seconds it is about; fewer than 60 only if the consumer has not run for that long.
    :ivar topics: per topic that had an attempt, in alphabetical order.
    :ivar slowest_partitions: those that took the most of the handlers' time, the worst first; at most 10.
    :ivar slowest_keys: the same of record keys. One that is not there took no more than 1/64 of its topic's time.
    """

    seconds: float = 0.0
    topics: Mapping[str, TopicTimings] = field(default_factory=dict)
    slowest_partitions: Sequence[TimeTaker] = ()
    slowest_keys: Sequence[TimeTaker] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything since the first ``on_start``.

    :ivar topics: per topic, in alphabetical order.
    :ivar commits: over all partitions.
    :ivar backpressure_ms: for how many milliseconds at least one partition was paused.
    :ivar last_minute: the same of the last minute, and the partitions and keys that took the time.
    """

    topics: Mapping[str, TopicTimings]
    commits: CommitTimings
    backpressure_ms: float
    last_minute: LastMinute = field(default_factory=LastMinute)


def distribution(parts: Iterable[Buckets]) -> Distribution:
    """Summarise *parts* as one."""
    counts, largest = merge(parts)
    # a bucket's middle may lie above the longest duration that fell into it
    p50, p95, p99 = (min(quantile(counts, share), largest) / 1000 for share in (0.50, 0.95, 0.99))
    return Distribution(sum(counts), p50, p95, p99, largest / 1000)


def topic_timings(periods: Sequence[Period], seconds: float) -> TopicTimings:
    """Add up the records of all threads for a topic, in so many *seconds*."""
    # Each failure is counted after its duration: read the other way round, or handled could come out below 0
    failed = sum(period.failed for period in periods)
    handler = distribution(period.handler for period in periods)
    handled = handler.count - failed
    return TopicTimings(
        queue_ms=distribution(period.queue for period in periods),
        handler_ms=handler,
        end_to_end_ms=distribution(period.end_to_end for period in periods),
        handled=handled,
        failed=failed,
        retried=sum(period.retried for period in periods),
        skipped=sum(period.skipped for period in periods),
        halted=sum(period.halted for period in periods),
        per_second=handled / seconds if seconds > 0 else 0.0,
    )
