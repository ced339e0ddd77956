"""Each alert that is shipped fires in its incident, and clears after it, by the series of real consumers."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.shipped import ALERTS, RECORDING, alerts
from tests.deploy.tools import tool

pytest.importorskip("prometheus_client")

from tests.integration import incidents

# Each incident, and the alerts that it is for, with the labels that tell an operator where to look.
FIRING: dict[str, dict[str, list[str]]] = {
    "StuckKey": {"KafkaParallelStuck": ['group="billing", topic="stuckkey", partition="0"']},
    "LagGrows": {"KafkaParallelLagGrowing": ['group="billing", topic="laggrows"']},
    "CommitsRefused": {"KafkaParallelCommitFailing": ['group="billing", client_id="billing-1"']},
    "BreakerOpen": {"KafkaParallelThrottleClosed": ['group="billing", client_id="billing-1", reason="CircuitBreaker"']},
    "HandlerStuck": {"KafkaParallelHandlerStuck": ['group="billing", client_id="billing-1"']},
    "DeadLetters": {"KafkaParallelDeadLetters": ['group="billing", topic="deadletters"']},
    "LoopStalled": {"KafkaParallelLoopStalled": ['group="billing", client_id="billing-1"']},
    "PluginFailed": {
        "KafkaParallelPluginFailed": [
            'group="billing", client_id="billing-1", plugin="PluginFailed", hook="on_handled"'
        ]
    },
    "Absent": {"KafkaParallelAbsent": [""]},
}
SEVERITIES = {rule["alert"]: rule["labels"]["severity"] for rule in alerts()}


@pytest.fixture(scope="module")
def recorded():
    return incidents.recorded()


def values_of(series: Iterable[float | None]) -> str:
    """The samples as promtool reads them; a series that ends is marked as Prometheus marks it."""
    texts, before = [], None
    for value in series:
        texts.append(("stale" if before is not None else "_") if value is None else repr(float(value)))
        before = value
    return " ".join(texts)


def at(tick: int) -> str:
    return f"{tick * incidents.SCRAPE_INTERVAL}s"


def firing(alert: str, tick: int, labels: Iterable[str]) -> dict[str, Any]:
    """A test that *alert* fires at *tick* for each of *labels*, and for nothing else."""
    same = f'__name__="ALERTS", alertname="{alert}", alertstate="firing", severity="{SEVERITIES[alert]}"'
    samples = [{"labels": f"{{{same}{', ' if more else ''}{more}}}", "value": 1} for more in labels]
    return {
        "expr": f'ALERTS{{alertname="{alert}", alertstate="firing"}}',
        "eval_time": at(tick),
        "exp_samples": samples,
    }


def questions(recorded: dict[str, dict[str, list[float | None]]], name: str, alert: str) -> dict[str, Any]:
    """The test of promtool that *alert* fires in the incident *name* and clears after it."""
    before, during, after = incidents.WELL - 1, incidents.WELL + incidents.WRONG - 1, incidents.TICKS - 1
    return {
        "interval": at(1),
        "input_series": [{"series": key, "values": values_of(found)} for key, found in recorded[name].items()],
        "promql_expr_test": [
            firing(alert, before, []),
            firing(alert, during, FIRING[name][alert]),
            firing(alert, after, []),
        ],
    }


def run_promtool(folder: Path, test: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    file = folder / "test.yml"
    file.write_text(
        yaml.safe_dump({"rule_files": [str(ALERTS), str(RECORDING)], "evaluation_interval": at(1), "tests": [test]})
    )
    return subprocess.run([tool("promtool"), "test", "rules", file], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("name", "alert"), [(name, alert) for name, found in FIRING.items() for alert in found])
def test_it_fires_in_the_incident_and_clears_after_it(recorded, name, alert, tmp_path):
    done = run_promtool(tmp_path, questions(recorded, name, alert))

    assert done.returncode == 0, done.stdout + done.stderr


def test_an_alert_that_would_not_fire_is_found(recorded, tmp_path):
    wrong = questions(recorded, "DeadLetters", "KafkaParallelDeadLetters")
    wrong["promql_expr_test"][1]["exp_samples"] = []

    done = run_promtool(tmp_path, wrong)

    assert done.returncode != 0


def test_an_unreadable_record_is_told_of_as_long_as_it_is_there(recorded, tmp_path):
    """The fake client reads everything, so this number is put in by hand."""
    paused = 'kafka_parallel_paused_partitions{client_id="billing-1", group="billing", reason="unreadable"}'
    found = {**recorded["StuckKey"]}
    assert paused in found
    phases = zip((incidents.WELL, incidents.WRONG, incidents.WELL_AGAIN), (0, 1, 0), strict=True)
    found[paused] = [float(value) for ticks, value in phases for _ in range(ticks)]
    FIRING["Unreadable"] = {"KafkaParallelUnreadable": ['group="billing", client_id="billing-1"']}

    done = run_promtool(tmp_path, questions({"Unreadable": found}, "Unreadable", "KafkaParallelUnreadable"))

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_an_incident():
    assert {alert for found in FIRING.values() for alert in found} | {"KafkaParallelUnreadable"} == {*SEVERITIES}
