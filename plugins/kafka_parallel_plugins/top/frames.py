"""The state of a consumer at one moment, as a viewer gets it: plain numbers and texts, sent as a line of JSON."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from kafka_parallel.plugin_support import class_name
from kafka_parallel_plugins.top.recent_times import Pace, RecentTimes, SlowKey

if TYPE_CHECKING:
    from kafka import TopicPartition

    from kafka_parallel import Settings, Statistics
    from kafka_parallel.explanations import Explanation
    from kafka_parallel.facts import PartitionProgress, RunningRecord

__all__ = ()

# The number of the format: it grows when a field changes its meaning.
FORMAT = 1
VERSION = version("kafka-parallel")
COUNTS = (
    "processed", "failed", "retried", "skipped", "in_flight", "waiting", "buffered", "buffered_bytes", "rate_limited",
    "commits", "commit_failures", "overdue", "abandoned", "workers", "longest_running_ms", "since_poll_ms",
    "backpressure_ms",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FrameMaker:
    """Makes the frames of one consumer; one thread at a time.

    :ivar settings: the settings of the consumer.
    :ivar times: the pace of its records.
    :ivar shows_keys: whether keys of records are shown, which may be personal data.
    :ivar wall_clock: seconds since the Unix epoch.
    """

    settings: Settings
    times: RecentTimes
    shows_keys: bool
    wall_clock: Callable[[], float]

    def make(self) -> bytes:
        """The line of now."""
        return line(self._frame())

    def _frame(self) -> dict[str, Any]:
        facts, now_ms = self.settings.facts, self.wall_clock() * 1000
        statistics, progress = facts.statistics(), facts.progress()
        running = facts.running(places=True)
        by_topic, by_place = self.times.read(self.settings.clock())
        return {
            "format": FORMAT,
            "version": VERSION,
            "pid": os.getpid(),
            "time_ms": round(now_ms),
            "group": self.settings.group_id,
            "state": facts.state,
            "error": None if facts.error is None else class_name(facts.error),
            "statistics": _counts(statistics),
            "topics": _topics(progress, by_topic, running),
            "partitions": [
                _partition(partition, found, by_place.get((partition.topic, partition.partition), Pace()), now_ms)
                for partition, found in sorted(progress.items())
            ],
            "running": [_running(record, shows_key=self.shows_keys) for record in running],
            "reasons": [_reason(found) for found in facts.explain(keys=self.shows_keys)],
            **({"slow_keys": [_slow_key(found) for found in self.times.slowest_keys()]} if self.shows_keys else {}),
        }


def line(frame: Mapping[str, Any]) -> bytes:
    """The bytes of one frame."""
    return json.dumps(frame, separators=(",", ":")).encode() + b"\n"


def unknown(why: str) -> bytes:
    """The line for a moment of which nothing is known."""
    return line({"format": FORMAT, "version": VERSION, "pid": os.getpid(), "unknown": why})


def _counts(statistics: Statistics) -> dict[str, Any]:
    counts = {name: getattr(statistics, name) for name in COUNTS}
    return {**counts, "throttled": dict(statistics.throttled), "rebalances": dict(statistics.rebalances)}


def _topics(
    progress: Mapping[TopicPartition, PartitionProgress], paces: Mapping[str, Pace], running: Sequence[RunningRecord]
) -> list[dict[str, Any]]:
    lags: dict[str, list[int | None]] = defaultdict(list)  # a pass for each topic would take seconds with thousands
    for partition, found in progress.items():
        lags[partition.topic].append(found.lag)
    handlers: dict[str, list[RunningRecord]] = defaultdict(list)
    for record in running:
        handlers[record.topic].append(record)
    return [
        {
            "topic": topic,
            **_shown(paces.get(topic, Pace())),
            "partitions": len(lags[topic]),
            "running": sum(record.batch_size for record in handlers[topic]),
            "longest_running_ms": max((record.running_ms for record in handlers[topic]), default=0.0),
            "lag": _sum(lags[topic]),
        }
        for topic in sorted(lags.keys() | paces.keys())
    ]


def _sum(lags: Sequence[int | None]) -> int | None:
    """The sum of *lags*; ``None`` if one of them is not known."""
    known = [lag for lag in lags if lag is not None]
    return sum(known) if len(known) == len(lags) else None


def _partition(partition: TopicPartition, found: PartitionProgress, pace: Pace, now_ms: float) -> dict[str, Any]:
    head_ms = found.head_timestamp_ms
    return {
        "topic": partition.topic,
        "partition": partition.partition,
        **_shown(pace),
        "lag": found.lag,
        "committed_lag": found.committed_lag,
        "position": found.position,
        "log_end": found.log_end,
        "committed": found.committed,
        "unfinished": found.unfinished,
        "span": found.span,
        "head_offset": found.head_offset,
        "head_age_ms": None if head_ms is None or head_ms < 0 else max(0, round(now_ms - head_ms)),
        "paused_by": list(found.paused_by),
    }


def _shown(pace: Pace) -> dict[str, Any]:
    return {name: None if value is None else round(value, 3) for name, value in pace._asdict().items()}


def _reason(found: Explanation) -> dict[str, Any]:
    where = found.partition
    return {
        "cause": found.cause,
        "sentence": found.sentence,
        "topic": None if where is None else where.topic,
        "partition": None if where is None else where.partition,
        "offset": found.offset,
        "lasts_ms": round(found.lasts_ms),
    }


def _slow_key(found: SlowKey) -> dict[str, Any]:
    return {
        "topic": found.topic,
        "partition": found.partition,
        "key": found.key.decode("utf-8", "backslashreplace"),
        "handling_ms": round(found.handling_ms, 1),
        "share": round(found.share, 4),
    }


def _running(record: RunningRecord, *, shows_key: bool) -> dict[str, Any]:
    shown = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "attempt": record.attempt,
        "running_ms": round(record.running_ms, 1),
        "worker": record.worker,
        "place": record.place,
        "batch_size": record.batch_size,
    }
    if shows_key and record.key is not None:
        shown["key"] = record.key.decode("utf-8", "backslashreplace")
    return shown
