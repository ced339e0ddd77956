"""The samples of one consumer: its counts and facts under the names of the table of metrics.

One dict of labels serves all samples of a partition: with a thousand partitions a dict for each would cost as much as
the rest of the scrape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias, get_args

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.samples import Exemplar, Sample

from kafka_parallel import metric_names
from kafka_parallel.explanations import PauseReason
from kafka_parallel_plugins.prometheus.attempt_counts import added_up, last_examples

if TYPE_CHECKING:
    from kafka_parallel import Statistics
    from kafka_parallel.facts import PartitionProgress
    from kafka_parallel_plugins.prometheus.attempt_counts import AttemptCounts
    from kafka_parallel_plugins.prometheus.event_counts import EventCounts
    from kafka_parallel_plugins.prometheus.exemplars import Example

Labels: TypeAlias = "dict[str, str]"

_FAMILIES: Mapping[str, Callable[[str, str], Metric]] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
    "info": InfoMetricFamily,
}
# They are always shown, so that an alert on one has a series before it is true.
PAUSE_REASONS = tuple(reason.replace(" ", "_") for reason in get_args(PauseReason))


class Families:
    """All metrics of one scrape. For one thread."""

    def __init__(self) -> None:
        self._families = {
            metric.name: _FAMILIES[metric.kind](family_name(metric), metric.meaning) for metric in metric_names.METRICS
        }

    def __iter__(self) -> Iterator[Metric]:
        return iter(self._families.values())

    def put(self, name: str, labels: Labels, value: float) -> None:
        """Put one sample into the family *name*, which is without the prefix."""
        full = metric_names.PREFIX + name
        self._families[full].samples.append(Sample(full, labels, value))

    def put_durations(
        self,
        name: str,
        labels: Labels,
        bounds: Sequence[float],
        durations: tuple[list[int], float],
        examples: Sequence[Example | None] | None = None,
    ) -> None:
        """Put the buckets, the sum and the count of the histogram *name*.

        :param bounds: the upper bounds of the buckets but the last, in seconds.
        :param durations: the durations of each bucket, and the sum of all in seconds.
        :param examples: an attempt of each bucket, if there is one.
        """
        full = metric_names.PREFIX + name
        counts, total = durations
        samples = self._families[full].samples
        up_to = [*accumulate(counts)]
        shown = [None] * len(up_to) if examples is None else [*map(_exemplar, examples)]
        for bound, count, exemplar in zip((*map(str, bounds), "+Inf"), up_to, shown, strict=True):
            samples.append(Sample(f"{full}_bucket", {**labels, "le": bound}, count, None, exemplar))
        samples.append(Sample(f"{full}_count", labels, up_to[-1]))
        samples.append(Sample(f"{full}_sum", labels, total))


def _exemplar(example: Example | None) -> Exemplar | None:
    return None if example is None else Exemplar({"trace_id": example.trace_id}, example.seconds, example.at)


def family_name(metric: metric_names.Metric) -> str:
    """The name of a family, which has no suffix of its kind."""
    return metric.name.removesuffix("_total").removesuffix("_info")


def text(value: object) -> str:
    """Return *value* as the text of a label, which must be UTF-8."""
    return str(value).encode("utf-8", "replace").decode()


def put_attempts(
    families: Families, common: Labels, bounds: Sequence[float], by_topic: Mapping[str, Sequence[AttemptCounts]]
) -> None:
    """Put the counts of the worker threads."""
    for topic, parts in by_topic.items():
        labels = {**common, "topic": text(topic)}
        ok = sum(part.ok for part in parts)
        families.put("records_total", {**labels, "outcome": "handled"}, ok)
        families.put("attempts_total", {**labels, "result": "ok"}, ok)
        families.put("attempts_total", {**labels, "result": "error"}, sum(part.failed for part in parts))
        for name, durations in (
            ("process_duration_seconds", [part.process for part in parts]),
            ("queue_duration_seconds", [part.queue for part in parts]),
            ("end_to_end_duration_seconds", [part.end_to_end for part in parts]),
        ):
            families.put_durations(name, labels, bounds, added_up(durations), last_examples(durations))


def put_verdicts(families: Families, common: Labels, topics: Iterable[str], events: EventCounts) -> None:
    """Put the verdicts about failed records and their errors.

    :param topics: those whose counts begin with 0: an increase from no series at all is none for Prometheus.
    """
    zeros = {(topic, outcome): 0 for topic in topics for outcome in ("skipped", "dead_lettered", "halted")}
    for (topic, outcome), count in {**zeros, **events.outcomes}.items():
        families.put("records_total", {**common, "topic": text(topic), "outcome": outcome}, count)
    for topic, count in {**dict.fromkeys(topics, 0), **events.retries}.items():
        families.put("retries_total", {**common, "topic": text(topic)}, count)
    for (topic, error_type), count in events.errors.items():
        families.put("errors_total", {**common, "topic": text(topic), "error_type": text(error_type)}, count)


def put_commits(families: Families, common: Labels, bounds: Sequence[float], events: EventCounts) -> None:
    """Put the commits and their durations."""
    zeros = {(result, reason): 0 for result in ("ok", "error") for reason in ("interval", "revoke", "stop")}
    for (result, reason), count in {**zeros, **events.commits}.items():
        families.put("commits_total", {**common, "result": result, "reason": reason}, count)
    families.put_durations("commit_duration_seconds", common, bounds, events.commit_durations())


def put_totals(families: Families, common: Labels, statistics: Statistics) -> None:
    """Put the counts of the run that only rise."""
    families.put("abandoned_records_total", common, statistics.abandoned)
    families.put("backpressure_seconds_total", common, statistics.backpressure_ms / 1000)
    for kind, count in statistics.rebalances.items():
        families.put("rebalances_total", {**common, "kind": kind}, count)
    for (plugin, hook), count in statistics.plugin_errors.items():
        families.put("plugin_errors_total", {**common, "plugin": text(plugin), "hook": text(hook)}, count)


def put_state(families: Families, common: Labels, statistics: Statistics) -> None:
    """Put how the consumer as a whole is now."""
    families.put("in_flight_records", common, statistics.in_flight)
    families.put("buffered_records", common, statistics.buffered)
    families.put("buffered_bytes", common, statistics.buffered_bytes)
    families.put("retry_waiting_records", common, statistics.waiting)
    families.put("paced_records", common, statistics.rate_limited)
    families.put("overdue_handlers", common, statistics.overdue)
    families.put("workers", common, statistics.workers)
    families.put("longest_running_seconds", common, statistics.longest_running_ms / 1000)
    if statistics.since_poll_ms is not None:
        families.put("seconds_since_poll", common, statistics.since_poll_ms / 1000)


def put_partitions(
    families: Families,
    common: Labels,
    progress: Iterable[tuple[str, int, PartitionProgress]],
    now_ms: float,
) -> None:
    """Put how far each partition is; a number that is not known is left out.

    :param progress: topic, number and progress of each partition.
    :param now_ms: milliseconds since the Unix epoch.
    """
    names = _PARTITION_GAUGES
    for topic, number, found in progress:
        labels = {**common, "topic": topic, "partition": str(number)}
        values = (
            found.lag,
            found.committed_lag,
            found.span,
            found.committed,
            found.position,
            found.log_end,
            found.unfinished,
            age_seconds(found, now_ms),
        )
        for name, value in zip(names, values, strict=True):
            if value is not None:
                families.put(name, labels, value)


_PARTITION_GAUGES = (
    "lag_records",
    "committed_lag_records",
    "uncommitted_span_offsets",
    "committed_offset",
    "position_offset",
    "highwater_offset",
    "unfinished_records",
    "oldest_unfinished_age_seconds",
)


def put_topics(
    families: Families, common: Labels, progress: Iterable[tuple[str, int, PartitionProgress]], now_ms: float
) -> None:
    """Put the same for whole topics: sums and the oldest age; offsets make no sense there.

    :param progress: as of `put_partitions`.
    :param now_ms: as of `put_partitions`.
    """
    by_topic: dict[str, list[PartitionProgress]] = {}
    for topic, _, found in progress:
        by_topic.setdefault(topic, []).append(found)
    for topic, parts in by_topic.items():
        labels = {**common, "topic": topic}
        sums: dict[str, list[int | None]] = {
            "lag_records": [part.lag for part in parts],
            "committed_lag_records": [part.committed_lag for part in parts],
            "uncommitted_span_offsets": [part.span for part in parts],
            "unfinished_records": [part.unfinished for part in parts],
        }
        for name, values in sums.items():
            known = [value for value in values if value is not None]
            if known:
                families.put(name, labels, sum(known))
        ages = [age for part in parts if (age := age_seconds(part, now_ms)) is not None]
        if ages:
            families.put("oldest_unfinished_age_seconds", labels, max(ages))


def age_seconds(found: PartitionProgress, now_ms: float) -> float | None:
    """How old the record is that holds the commit point; 0 if none does, ``None`` if it has no timestamp."""
    if found.head_offset is None:
        return 0.0
    if found.head_timestamp_ms is None or found.head_timestamp_ms < 0:
        return None
    return max(0.0, now_ms - found.head_timestamp_ms) / 1000


def put_pauses(families: Families, common: Labels, reasons: Iterable[tuple[str, ...]], plugins: Iterable[str]) -> None:
    """Put how many partitions are paused for each reason.

    :param reasons: the reasons of each partition.
    :param plugins: the plugins that have bounded the records in flight, whose throttles are open or closed.
    """
    paused = dict.fromkeys((*PAUSE_REASONS, *map(text, plugins)), 0)
    for found in reasons:
        for reason in found:
            name = text(reason).replace(" ", "_")
            paused[name] = paused.get(name, 0) + 1
    for reason, count in paused.items():
        families.put("paused_partitions", {**common, "reason": reason}, count)
