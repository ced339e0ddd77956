"""Frames of top, made by hand: one consumer with a stuck record."""

from __future__ import annotations


def partition(topic, number, **changes):
    return {
        "topic": topic, "partition": number, "per_second": 12.5, "failed_per_second": 0.0, "p50_ms": 8.0,
        "p99_ms": 1500.0, "lag": 9958, "committed_lag": 10_000, "position": 11_000, "log_end": 11_000,
        "committed": 1042, "unfinished": 41, "span": 9958, "head_offset": 1042, "head_age_ms": 61_000,
        "paused_by": [], **changes,
    }  # fmt: skip


def record(topic, number, **changes):
    return {
        "topic": topic, "partition": number, "offset": 1042, "attempt": 2, "running_ms": 61_000.0, "worker": "kp-7",
        "place": "/srv/billing.py:88", "batch_size": 1, **changes,
    }  # fmt: skip


def reason(cause, **changes):
    return {
        "cause": cause, "sentence": f"orders[3] stands still because of: {cause}", "topic": "orders", "partition": 3,
        "offset": 1042, "lasts_ms": 61_000, **changes,
    }  # fmt: skip


def frame(**changes):
    topic = {
        "topic": "orders", "per_second": 12.5, "failed_per_second": 0.0, "p50_ms": 8.0, "p99_ms": 1500.0,
        "partitions": 1, "running": 1, "longest_running_ms": 61_000.0, "lag": 9958,
    }  # fmt: skip
    return {
        "format": 1, "version": "0.1.0", "pid": 7, "time_ms": 1_700_000_000_000, "group": "billing", "state": "running",
        "error": None,
        "statistics": {
            "processed": 9958, "failed": 3, "retried": 3, "skipped": 0, "in_flight": 1, "waiting": 0, "buffered": 41,
            "buffered_bytes": 4100, "rate_limited": 0, "commits": 12, "commit_failures": 0, "overdue": 0,
            "abandoned": 0, "workers": 64, "longest_running_ms": 61_000.0, "since_poll_ms": 12.0,
            "backpressure_ms": 0.0, "throttled": {}, "rebalances": {"assigned": 1},
        },
        "topics": [topic], "partitions": [partition("orders", 3)], "running": [record("orders", 3)],
        "reasons": [reason("handler")], **changes,
    }  # fmt: skip
