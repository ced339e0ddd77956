"""The measurements so far, as values that no longer change. All durations are in milliseconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kafka_parallel_plugins.timing_metrics.buckets import Buckets, merge, quantile
from kafka_parallel_plugins.timing_metrics.recorders import Recorder

__all__ = ["CommitTimings", "Distribution", "Snapshot", "TopicTimings"]


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
    """

    queue_ms: Distribution
    handler_ms: Distribution
    end_to_end_ms: Distribution
    handled: int
    failed: int
    retried: int
    skipped: int
    halted: int


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
class Snapshot:
    """Everything since the first ``on_start``.

    :ivar topics: per topic, in alphabetical order.
    :ivar commits: over all partitions.
    :ivar backpressure_ms: for how many milliseconds at least one partition was paused.
    """

    topics: Mapping[str, TopicTimings]
    commits: CommitTimings
    backpressure_ms: float


def distribution(parts: Iterable[Buckets]) -> Distribution:
    """Summarise *parts* as one."""
    counts, largest = merge(parts)
    # a bucket's middle may lie above the longest duration that fell into it
    p50, p95, p99 = (min(quantile(counts, share), largest) / 1000 for share in (0.50, 0.95, 0.99))
    return Distribution(sum(counts), p50, p95, p99, largest / 1000)


def topic_timings(recorders: list[Recorder]) -> TopicTimings:
    """Add up the records of all threads for a topic."""
    # Each failure is counted after its duration: read the other way round, or handled could come out below 0
    failed = sum(recorder.failed for recorder in recorders)
    handler = distribution(recorder.handler for recorder in recorders)
    return TopicTimings(
        queue_ms=distribution(recorder.queue for recorder in recorders),
        handler_ms=handler,
        end_to_end_ms=distribution(recorder.end_to_end for recorder in recorders),
        handled=handler.count - failed,
        failed=failed,
        retried=sum(recorder.retried for recorder in recorders),
        skipped=sum(recorder.skipped for recorder in recorders),
        halted=sum(recorder.halted for recorder in recorders),
    )
