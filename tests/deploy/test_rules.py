"""Prometheus itself takes the rules and the exposition; the scripted incidents are in tests/integration."""

from __future__ import annotations

import subprocess

import pytest

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
