"""The manifests are valid, their probes ask for what the plugin answers, and a stop gets the time that it takes."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from kafka_parallel import ParallelConsumer
from kafka_parallel_plugins.health import Health
from kafka_parallel_plugins.health.http_answers import ENDPOINTS
from kafka_parallel_plugins.health.probe_server import CLIENT_TIMEOUT, LOCK_TIMEOUT

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
PAGE = ROOT / "docs" / "how-to" / "run-on-kubernetes.md"
MANIFESTS = [
    (path.name, document) for path in sorted(FOLDER.glob("*.yaml")) for document in yaml.safe_load_all(path.read_text())
]
WORKLOADS = [(name, found) for name, found in MANIFESTS if found["kind"] in {"Deployment", "StatefulSet"}]
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
LAST_COMMIT_MS = 10_000
# The oldest release that is still looked after somewhere, and the newest that the schemas are of.
RELEASES = ("1.29", None)

workloads = pytest.mark.parametrize("manifest", [found for _, found in WORKLOADS], ids=[name for name, _ in WORKLOADS])


def pod(manifest):
    return manifest["spec"]["template"]["spec"]


def container(manifest):
    (found,) = pod(manifest)["containers"]
    return found


def setting(name):
    return inspect.signature(Health).parameters[name].default


# Schemas


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("manifest", [found for _, found in MANIFESTS], ids=[f"{n}-{m['kind']}" for n, m in MANIFESTS])
def test_a_manifest_is_valid(manifest, release):
    kubernetes_validate = pytest.importorskip("kubernetes_validate")

    kubernetes_validate.validate(manifest, release or kubernetes_validate.latest_version(), strict=True)


def test_a_field_that_kubernetes_does_not_know_is_found():
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    [(_, manifest), *_] = WORKLOADS
    manifest = yaml.safe_load(yaml.safe_dump(manifest))
    container(manifest)["livenessProbe"]["periodSecond"] = 10

    with pytest.raises(kubernetes_validate.ValidationError, match="periodSecond"):
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_the_page_shows_each_manifest():
    text = PAGE.read_text()

    assert len(WORKLOADS) == 2
    assert [name for name, _ in MANIFESTS if f"deploy/kubernetes/{name}" not in text] == []


# The end of a pod


@workloads
def test_the_grace_period_is_longer_than_a_stop_with_its_commit(manifest):
    stop_timeout_ms = inspect.signature(ParallelConsumer).parameters["stop_timeout_ms"].default

    assert pod(manifest)["terminationGracePeriodSeconds"] * 1000 > stop_timeout_ms + LAST_COMMIT_MS


@workloads
def test_sigterm_reaches_python(manifest):
    assert container(manifest)["command"][0] == "python"


# Probes


@workloads
def test_a_new_pod_gets_its_five_minutes_and_a_sick_one_half_a_minute(manifest):
    startup, liveness = container(manifest)["startupProbe"], container(manifest)["livenessProbe"]

    assert startup["periodSeconds"] * startup["failureThreshold"] == 300
    assert liveness["periodSeconds"] * liveness["failureThreshold"] == 30


def http_probes():
    return [
        (manifest, probe["httpGet"], probe)
        for _, manifest in WORKLOADS
        for probe in (container(manifest).get(name, {}) for name in PROBES)
        if "httpGet" in probe
    ]


def test_the_probes_ask_for_the_endpoints_at_the_port_of_the_plugin():
    asked = {get["path"] for _, get, _ in http_probes()}

    assert asked == set(ENDPOINTS)
    for manifest, get, probe in http_probes():
        ports = {port["name"]: port["containerPort"] for port in container(manifest)["ports"]}
        assert ports[get["port"]] == setting("port")
        assert probe["timeoutSeconds"] > CLIENT_TIMEOUT + LOCK_TIMEOUT


def commands():
    return {
        name: container(manifest)[name]["exec"]["command"]
        for _, manifest in WORKLOADS
        for name in PROBES
        if "exec" in container(manifest).get(name, {})
    }


@pytest.mark.skipif(sys.platform != "linux", reason="stat has other options elsewhere")
@pytest.mark.parametrize(
    ("age", "started", "lives"), [(0, True, True), (40, True, True), (90, True, False), (None, False, False)]
)
def test_the_probes_of_the_file_tell_by_its_age(tmp_path, age, started, lives):
    file = tmp_path / "alive"
    if age is not None:
        file.touch()
        os.utime(file, (file.stat().st_mtime - age,) * 2)

    def passes(name):
        command = [word.replace("/run/health/alive", str(file)) for word in commands()[name]]
        assert command != commands()[name]
        return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0

    assert passes("startupProbe") is started
    assert passes("livenessProbe") is lives


@workloads
def test_the_file_is_in_a_volume_of_the_pod(manifest):
    mounts = {mount["name"]: mount["mountPath"] for mount in container(manifest).get("volumeMounts", [])}
    volumes = {volume["name"] for volume in pod(manifest).get("volumes", [])}

    assert mounts.keys() == volumes
    if not http_probes_of(manifest):
        assert mounts == {"health": "/run/health"}


def http_probes_of(manifest):
    return [probe for found, _, probe in http_probes() if found is manifest]
