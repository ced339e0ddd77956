"""Prometheus itself takes the rules and the exposition; the scripted incidents are in tests/integration."""

from __future__ import annotations

import subprocess

import pytest
import yaml

from kafka_parallel.facts import PartitionProgress
from tests.deploy.shipped import ALERTS, RECORDING, alerts
from tests.deploy.tools import tool

prometheus_client = pytest.importorskip("prometheus_client")


@pytest.mark.parametrize("path", [ALERTS, RECORDING], ids=lambda path: path.name)
def test_promtool_takes_the_rules(path):
    done = subprocess.run(
        [tool("promtool"), "check", "rules", "--lint=all", "--lint-fatal", path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_takes_the_configuration():
    config = ALERTS.with_name("prometheus.yml")
    done = subprocess.run([tool("promtool"), "check", "config", config], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 rules" in done.stdout + done.stderr


def test_promtool_has_nothing_to_say_about_the_metrics():
    from kafka_parallel import Retry
    from tests.plugins.test_prometheus import P0, Consumer

    consumer = Consumer()
    consumer.handle()
    consumer.fail(ValueError(), Retry(1))
    consumer.facts.partitions = {P0: PartitionProgress(5, 9, 3, 2, 2, 3, 0)}
    exposition = prometheus_client.generate_latest(consumer.registry)

    done = subprocess.run([tool("promtool"), "check", "metrics"], input=exposition, capture_output=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == b""


def test_every_alert_says_how_grave_it_is_and_what_to_look_at():
    for rule in alerts():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert {*rule["annotations"]} == {"summary", "description"}


# Samples of every 15 s: a service that times out, with a trial of 45 s after each minute; and one that failed once.
TRIALS, ONCE = "0x3 " + "4 4 4 4 0 0 0 " * 8, "0x3 4 4 0x40"


@pytest.mark.parametrize(("paused", "fires"), [(TRIALS, True), (ONCE, False)], ids=["trials", "once"])
def test_the_trials_of_a_circuit_breaker_do_not_end_its_alert(tmp_path, paused, fires):
    labels = 'group="billing", client_id="billing-1", reason="circuit-breaker"'
    name = 'alertname="KafkaParallelThrottleClosed", alertstate="firing"'
    sample = {"labels": f'{{__name__="ALERTS", {name}, severity="critical", {labels}}}', "value": 1}
    moments = [
        {"expr": f"ALERTS{{{name}}}", "eval_time": f"{seconds}s", "exp_samples": [sample] if fires else []}
        for seconds in range(300, 600, 15)
    ]
    series = [{"series": f"kafka_parallel_paused_partitions{{{labels}}}", "values": paused}]
    file = tmp_path / "test.yml"
    tests = [{"interval": "15s", "input_series": series, "promql_expr_test": moments}]
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "15s", "tests": tests}))

    done = subprocess.run([tool("promtool"), "test", "rules", file], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
