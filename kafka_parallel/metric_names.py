"""The metrics that a running consumer has: one table for exporters, dashboards, alerts and the documentation.

It is plain data and imports nothing: an exporter of another system can be written from it and from
``Settings.facts``. The names are public: one that changes is a change for every dashboard.

A new metric is a row here, and a ``put`` in ``kafka_parallel_plugins/prometheus/samples.py``; a gauge that
OpenTelemetry shall have, too, is read in ``kafka_parallel_plugins/opentelemetry/gauges.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["BUCKETS", "COMMON_LABELS", "METRICS", "PREFIX", "Metric"]

PREFIX = "kafka_parallel_"
"""The beginning of every name in Prometheus."""

COMMON_LABELS = ("group", "client_id")
"""The labels of every metric: the consumer group ("" without one), and the client's id."""

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0, 300.0)
"""The upper bounds of the buckets of durations, in seconds: those of OpenTelemetry's messaging conventions up to 10 s,
and three for handlers that take longer."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    :ivar name: its name in Prometheus; series of a histogram have ``_bucket``, ``_sum`` and ``_count`` behind it.
    :ivar kind: a ``"counter"`` only rises, a ``"gauge"`` says how it is now, a ``"histogram"`` counts durations by
        bucket, ``"info"`` is always 1 and tells by its labels.
    :ivar labels: its labels in addition to `COMMON_LABELS`.
    :ivar unit: as UCUM writes it: ``"s"``, ``"By"``, or a noun in braces.
    :ivar meaning: a phrase for people; the help text of the exposition.
    :ivar opentelemetry: its name as an observable gauge of OpenTelemetry; ``None`` if it is none there.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram", "info"]
    labels: tuple[str, ...]
    unit: str
    meaning: str
    opentelemetry: str | None = None


_PLACE = ("topic", "partition")


def _counter(name: str, labels: tuple[str, ...], unit: str, meaning: str) -> Metric:
    return Metric(f"{PREFIX}{name}", "counter", labels, unit, meaning)


def _histogram(name: str, labels: tuple[str, ...], meaning: str) -> Metric:
    return Metric(f"{PREFIX}{name}", "histogram", labels, "s", meaning)


def _gauge(name: str, labels: tuple[str, ...], unit: str, meaning: str, opentelemetry: str | None = None) -> Metric:
    return Metric(f"{PREFIX}{name}", "gauge", labels, unit, meaning, opentelemetry)


METRICS = (
    # Records and attempts
    _counter("records_total", ("topic", "outcome"), "{record}",
             "Records that are finished, by outcome: handled, skipped, dead_lettered, halted."),
    _counter("abandoned_records_total", (), "{record}",
             "Records whose handler still ran when their partition left or the consumer stopped; they run again."),
    _counter("attempts_total", ("topic", "result"), "{attempt}", "Handler calls that ended, by result: ok, error."),
    _counter("retries_total", ("topic",), "{attempt}",
             "Attempts that were scheduled again, in memory or by a retry topic."),
    _counter("errors_total", ("topic", "error_type"), "{attempt}",
             "Failed attempts by the class of the error; records that cannot be deserialised count too."),
    _histogram("process_duration_seconds", ("topic",), "Duration of the handler with its wrappers, of every attempt."),
    _histogram("queue_duration_seconds", ("topic",), "Time from poll() to the first start of the handler."),
    _histogram("end_to_end_duration_seconds", ("topic",), "Time from the record's timestamp to the handler's return."),
    # Commits
    _counter("commits_total", ("result", "reason"), "{commit}",
             "Commits by result (ok, error) and reason (interval, revoke, stop)."),
    _histogram("commit_duration_seconds", (), "Duration of commits."),
    # Partitions
    _gauge("lag_records", _PLACE, "{record}",
           "Records left to do: log end minus position, plus the unfinished ones.", "kafka_parallel.lag"),
    _gauge("committed_lag_records", _PLACE, "{record}",
           "Log end minus committed offset: the lag that Kafka's own tools show."),
    _gauge("uncommitted_span_offsets", _PLACE, "{offset}",
           "Offsets from the committed one to the newest one taken: a crash repeats no more than this."),
    _gauge("committed_offset", _PLACE, "{offset}", "Newest offset that the broker confirmed."),
    _gauge("position_offset", _PLACE, "{offset}", "Offset of the record that is fetched next."),
    _gauge("highwater_offset", _PLACE, "{offset}", "Log end offset."),
    _gauge("unfinished_records", _PLACE, "{record}", "Records taken from poll() and not finished.",
           "kafka_parallel.unfinished"),
    _gauge("oldest_unfinished_age_seconds", _PLACE, "s",
           "Age, by its timestamp, of the record that holds the commit point; 0 if all are finished.",
           "kafka_parallel.oldest_unfinished.age"),
    # The consumer as a whole
    _gauge("in_flight_records", (), "{record}", "Records taken by a worker and not finished.",
           "kafka_parallel.in_flight"),
    _gauge("buffered_records", (), "{record}", "Records taken from poll() and not finished, over all partitions."),
    _gauge("buffered_bytes", (), "By", "Keys, values and headers of the buffered records.",
           "kafka_parallel.buffered.bytes"),
    _gauge("retry_waiting_records", (), "{record}", "Records that wait for their next attempt."),
    _gauge("paced_records", (), "{record}", "Records that could start now if a rate limit allowed it."),
    _gauge("overdue_handlers", (), "{handler}",
           "Handlers that still run although their records have failed by handler_timeout_ms."),
    _gauge("workers", (), "{worker}", "Most handlers that may run at once."),
    _gauge("longest_running_seconds", (), "s", "Time for which the oldest running handler has run; 0 if none runs."),
    _gauge("paused_partitions", ("reason",), "{partition}",
           "Paused partitions by reason: records, bytes, uncommitted, not_due, user, unreadable, or a plugin whose "
           "throttle is closed.", "kafka_parallel.paused_partitions"),
    _counter("backpressure_seconds_total", (), "s", "Time in which back-pressure paused at least one partition."),
    _gauge("partitions_assigned", (), "{partition}", "Partitions that are this consumer's."),
    _counter("rebalances_total", ("kind",), "{rebalance}",
             "Times that partitions came or went, by kind: assigned, revoked, lost."),
    _gauge("seconds_since_poll", (), "s", "Time since the loop came round."),
    _counter("plugin_errors_total", ("plugin", "hook"), "{error}", "Hooks that raised."),
    Metric(f"{PREFIX}info", "info", ("version", "kafka_python", "executor", "ordering"), "1",
           "The versions and the choices of the consumer."),
)  # fmt: skip
"""Every metric, in the order of the documentation."""
