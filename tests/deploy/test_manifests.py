"""The manifests and the dashboard are what Kubernetes, KEDA, compose and Grafana take."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.deploy.shipped import COMPOSE, DASHBOARD, DEPLOY, dashboard, scaled_object


def test_the_scaled_object_is_one_of_keda():
    v1alpha1 = pytest.importorskip("cloudcoil.models.keda.v1alpha1")

    found = v1alpha1.ScaledObject.model_validate(scaled_object(), strict=False)

    assert found.spec.scale_target_ref.name == "billing"
    assert {*scaled_object()["spec"]} <= {field.alias or name for name, field in type(found.spec).model_fields.items()}


def test_a_scaled_object_with_a_wrong_type_is_refused():
    v1alpha1 = pytest.importorskip("cloudcoil.models.keda.v1alpha1")
    wrong = scaled_object()
    wrong["spec"]["triggers"][0]["metadata"]["threshold"] = ["5000"]

    with pytest.raises(ValueError, match="threshold"):
        v1alpha1.ScaledObject.model_validate(wrong)


def test_it_never_scales_to_zero_for_then_there_is_no_metric():
    assert scaled_object()["spec"]["minReplicaCount"] >= 1
    assert scaled_object()["spec"]["triggers"][0]["metadata"]["ignoreNullValues"] == "false"


def test_the_compose_file_is_valid():
    checker = Path(sys.executable).with_name("check-jsonschema")

    subprocess.run([checker, "-q", "--builtin-schema", "vendor.compose-spec", COMPOSE], check=True)


def test_the_compose_file_mounts_files_that_exist_and_listens_at_the_loopback_alone():
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    mounted = [volume.split(":")[0] for service in services.values() for volume in service.get("volumes", ())]
    ports = [port for service in services.values() for port in service.get("ports", ())]
    built = [service["build"]["dockerfile"] for service in services.values() if "build" in service]

    assert mounted
    assert [path for path in mounted if not (COMPOSE.parent / path).exists()] == []
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
    assert [path for path in built if not (DEPLOY.parent / path).exists()] == []
    assert {*services} == {"kafka", "topics", "consumer", "producer", "prometheus", "grafana"}


def test_prometheus_scrapes_the_port_that_the_consumer_serves():
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"][0]

    assert scraped["static_configs"] == [{"targets": ["consumer:9100"]}]
    assert '"METRICS_PORT", "9100"' in (DEPLOY / "compose" / "shop.py").read_text()


def test_the_dashboard_is_as_its_program_writes_it():
    written = subprocess.run([sys.executable, DEPLOY / "grafana" / "build.py"], capture_output=True, check=True)

    assert DASHBOARD.read_bytes() == written.stdout, "run deploy/grafana/build.py"


def test_the_dashboard_has_all_rows_and_no_panel_covers_another():
    panels = dashboard()["panels"]
    rows = [panel["title"] for panel in panels if panel["type"] == "row"]
    places = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in panels
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]

    assert rows == ["Throughput", "Latency", "Lag", "Stuck", "Commits and rebalances", "Back-pressure", "Errors"]
    assert len(places) == len({*places})
    assert max(x for x, _ in places) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)
