"""Writes the dashboard: ``python deploy/grafana/build.py > deploy/grafana/kafka-parallel.json``.

The dashboard is made by this because a thousand lines of JSON cannot be read. Nothing but Python is needed.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
CHOSEN = 'group=~"$group", client_id=~"$client_id"'
TOPICS = f'{CHOSEN}, topic=~"$topic"'
DEAD_LETTERS = f'{TOPICS}, outcome="dead_lettered"'
RATE = "$__rate_interval"


class Panel(NamedTuple):
    """One graph: its queries are pairs of an expression and a legend."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    about: str = ""
    stacked: bool = False


def rate(name: str, by: str, labels: str = TOPICS) -> str:
    """The rate of a counter, summed by labels."""
    return f"sum by ({by}) (rate(kafka_parallel_{name}{{{labels}}}[{RATE}]))"


def gauge(name: str, by: str, function: str = "sum", labels: str = TOPICS) -> str:
    """A gauge over all consumers, by labels."""
    return f"{function} by ({by}) (kafka_parallel_{name}{{{labels}}})"


def quantiles(name: str, by: str, labels: str = TOPICS) -> tuple[tuple[str, str], ...]:
    """The median and the 99th percentile of a histogram."""
    legend = "".join(f" {{{{{label}}}}}" for label in by.split(", ") if label)
    inner = rate(f"{name}_bucket", f"{by}, le" if by else "le", labels)
    return tuple((f"histogram_quantile({share}, {inner})", f"p{share * 100:.0f}{legend}") for share in (0.5, 0.99))


ROWS: dict[str, tuple[Panel, ...]] = {
    "Throughput": (
        Panel("Records by outcome", "ops", ((rate("records_total", "topic, outcome"), "{{topic}} {{outcome}}"),),
              "Records that are finished, per second.", stacked=True),
        Panel("Attempts by result", "ops", ((rate("attempts_total", "result"), "{{result}}"),),
              "Handler calls that ended, per second.", stacked=True),
        Panel("Workers and records in flight", "short",
              ((gauge("workers", "client_id", labels=CHOSEN), "workers {{client_id}}"),
               (gauge("in_flight_records", "client_id", labels=CHOSEN), "in flight {{client_id}}")),
              "Where both meet, all workers are busy: more of them help if the service behind them has room."),
    ),
    "Latency": (
        Panel("Handler", "s", quantiles("process_duration_seconds", "topic"), "Every attempt, with its wrappers."),
        Panel("From poll() to the start", "s", quantiles("queue_duration_seconds", "topic"),
              "High values: too few workers, or one key with many records."),
        Panel("From the record's timestamp to the end", "s", quantiles("end_to_end_duration_seconds", "topic"),
              "The producer's clock is one end of it."),
    ),
    "Lag": (
        Panel("Records left to do", "short", ((gauge("lag_records", "topic"), "{{topic}}"),),
              "Not taken yet, or taken and not finished."),
        Panel("Committed lag", "short", ((gauge("committed_lag_records", "topic"), "{{topic}}"),),
              "The number that Kafka's own tools show: one slow record holds it up although all above are done."),
        Panel("Records left to do, by partition", "short",
              ((gauge("lag_records", "topic, partition"), "{{topic}}[{{partition}}]"),)),
    ),
    "Stuck": (
        Panel("Age of the record that holds the commit point", "s",
              ((gauge("oldest_unfinished_age_seconds", "topic, partition", "max"), "{{topic}}[{{partition}}]"),)),
        Panel("Longest running handler", "s",
              ((gauge("longest_running_seconds", "client_id", "max", CHOSEN), "{{client_id}}"),
               (gauge("overdue_handlers", "client_id", labels=CHOSEN), "overdue handlers {{client_id}}"))),
        Panel("Offsets that a crash would repeat", "short",
              ((gauge("uncommitted_span_offsets", "topic, partition"), "{{topic}}[{{partition}}]"),)),
        Panel("Unfinished records", "short",
              ((gauge("unfinished_records", "topic, partition"), "{{topic}}[{{partition}}]"),)),
        Panel("Time since the loop came round", "s",
              ((gauge("seconds_since_poll", "client_id", "max", CHOSEN), "{{client_id}}"),)),
    ),
    "Commits and rebalances": (
        Panel("Commits", "ops", ((rate("commits_total", "result, reason", CHOSEN), "{{result}} {{reason}}"),)),
        Panel("Duration of commits", "s", quantiles("commit_duration_seconds", "", CHOSEN)),
        Panel("Rebalances", "short",
              ((f"sum by (kind) (increase(kafka_parallel_rebalances_total{{{CHOSEN}}}[{RATE}]))", "{{kind}}"),
               (f"sum (increase(kafka_parallel_abandoned_records_total{{{CHOSEN}}}[{RATE}]))", "abandoned records"))),
        Panel("Partitions", "short", ((gauge("partitions_assigned", "client_id", labels=CHOSEN), "{{client_id}}"),)),
    ),
    "Back-pressure": (
        Panel("Paused partitions by reason", "short",
              ((gauge("paused_partitions", "reason", labels=CHOSEN), "{{reason}}"),),
              "A reason that is the name of a plugin: its throttle is closed.", stacked=True),
        Panel("Share of the time with a paused partition", "percentunit",
              ((rate("backpressure_seconds_total", "client_id", CHOSEN), "{{client_id}}"),)),
        Panel("Buffered records", "short",
              ((gauge("buffered_records", "client_id", labels=CHOSEN), "{{client_id}}"),
               (gauge("retry_waiting_records", "client_id", labels=CHOSEN), "waiting for a retry {{client_id}}"),
               (gauge("paced_records", "client_id", labels=CHOSEN), "waiting for a rate limit {{client_id}}"))),
        Panel("Buffered bytes", "bytes", ((gauge("buffered_bytes", "client_id", labels=CHOSEN), "{{client_id}}"),)),
    ),
    "Errors": (
        Panel("Failed attempts by class", "ops",
              ((rate("errors_total", "topic, error_type"), "{{topic}} {{error_type}}"),), stacked=True),
        Panel("Retries", "ops", ((rate("retries_total", "topic"), "{{topic}}"),)),
        Panel("Dead letters a minute", "short",
              ((f"{rate('records_total', 'topic', DEAD_LETTERS)} * 60", "{{topic}}"),)),
        Panel("Hooks of plugins that raised", "short",
              ((gauge("plugin_errors_total", "plugin, hook", labels=CHOSEN), "{{plugin}} {{hook}}"),)),
    ),
}  # fmt: skip


def dashboard() -> dict[str, Any]:
    """The whole dashboard."""
    return {
        "uid": "kafka-parallel",
        "title": "kafka-parallel",
        "tags": ["kafka", "kafka-parallel"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "graphTooltip": 1,
        "templating": {"list": [_source(), _choice("group", ""), _choice("client_id", 'group=~"$group"'),
                                _choice("topic", CHOSEN, "kafka_parallel_records_total")]},
        "annotations": {"list": []},
        "links": [],
        "panels": [*_panels()],
    }  # fmt: skip


def _source() -> dict[str, Any]:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _choice(name: str, labels: str, metric: str = "kafka_parallel_info") -> dict[str, Any]:
    query = f"label_values({metric}{{{labels}}}, {name})" if labels else f"label_values({metric}, {name})"
    return {
        "name": name, "type": "query", "datasource": SOURCE, "query": {"query": query, "refId": name},
        "definition": query, "refresh": 2, "sort": 1, "multi": True, "includeAll": True, "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }  # fmt: skip


def _panels() -> Any:
    number, top = 1, 0
    for row, panels in ROWS.items():
        yield {"id": number, "type": "row", "title": row, "collapsed": False, "panels": [],
               "gridPos": {"h": 1, "w": 24, "x": 0, "y": top}}  # fmt: skip
        number, top = number + 1, top + 1
        for place, panel in enumerate(panels):
            yield _panel(number, panel, {"h": 8, "w": 8, "x": place % 3 * 8, "y": top + place // 3 * 8})
            number += 1
        top += (len(panels) + 2) // 3 * 8


def _panel(number: int, panel: Panel, where: dict[str, int]) -> dict[str, Any]:
    stacking = {"group": "A", "mode": "normal" if panel.stacked else "none"}
    custom = {"drawStyle": "line", "fillOpacity": 20 if panel.stacked else 5, "lineWidth": 1, "stacking": stacking}
    targets = [
        {"refId": chr(ord("A") + place), "datasource": SOURCE, "expr": expr, "legendFormat": legend, "range": True}
        for place, (expr, legend) in enumerate(panel.queries)
    ]
    return {
        "id": number, "type": "timeseries", "title": panel.title, "description": panel.about, "datasource": SOURCE,
        "gridPos": where, "targets": targets,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": custom}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(dashboard(), indent=2))
