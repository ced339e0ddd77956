"""The table of metrics is one that Prometheus and OpenTelemetry accept, and plain data."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from docs._site import metrics
from kafka_parallel.explanations import PauseReason
from kafka_parallel.metric_names import BUCKETS, COMMON_LABELS, METRICS, PREFIX

ALERTS = Path(__file__).parents[1] / "deploy" / "prometheus" / "alerts.yml"


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
class TestEachMetric:
    def test_its_name_is_one_of_prometheus(self, metric):
        assert re.fullmatch(rf"{PREFIX}[a-z]+(_[a-z]+)*", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")

    def test_the_name_of_a_time_says_seconds(self, metric):
        assert ("seconds" in metric.name) == (metric.unit == "s")

    def test_its_labels_are_names_of_its_own(self, metric):
        assert all(re.fullmatch("[a-z][a-z_]*", label) for label in metric.labels)
        assert len({*metric.labels, *COMMON_LABELS}) == len(metric.labels) + len(COMMON_LABELS)

    def test_its_meaning_is_a_sentence_in_one_line(self, metric):
        assert metric.meaning.endswith(".")
        assert "\n" not in metric.meaning

    def test_only_a_gauge_is_an_observable_gauge(self, metric):
        assert metric.opentelemetry is None or metric.kind == "gauge"


def test_no_name_is_there_twice():
    names = [metric.name for metric in METRICS]
    others = [metric.opentelemetry for metric in METRICS if metric.opentelemetry is not None]

    assert len(names) == len({*names}) > 30
    assert len(others) == len({*others}) == 6


def test_reasons_for_a_pause_are_listed_where_they_cannot_be_derived():
    names = [reason.replace(" ", "_") for reason in get_args(PauseReason)]
    [meaning] = [metric.meaning for metric in METRICS if metric.name.endswith("paused_partitions")]

    assert f"by reason: {', '.join(names)}, or a plugin" in meaning
    assert f'paused_partitions{{reason!~"{"|".join(names)}"}}' in ALERTS.read_text()


def test_buckets_rise():
    assert sorted({*BUCKETS}) == [*BUCKETS]


def test_an_exporter_that_reads_it_loads_no_client():
    script = (
        "import sys, importlib.util\n"
        "spec = importlib.util.spec_from_file_location('metric_names', sys.argv[1])\n"
        "module = sys.modules['metric_names'] = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "assert not {'kafka', 'kafka_parallel', 'prometheus_client'} & sys.modules.keys()\n"
    )
    path = sys.modules["kafka_parallel.metric_names"].__file__

    subprocess.run([sys.executable, "-c", script, path], check=True)


def test_the_reference_has_a_row_for_each():
    table = "\n".join(metrics.lines())

    assert [metric.name for metric in METRICS if f"``{metric.name}``" not in table] == []
    assert table.count("* - ") == len(METRICS) + 1
