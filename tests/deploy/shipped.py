"""The files that are shipped beside the library, read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS, RECORDING = DEPLOY / "prometheus" / "alerts.yml", DEPLOY / "prometheus" / "recording.yml"
DASHBOARD = DEPLOY / "grafana" / "kafka-parallel.json"
SCALED_OBJECT = DEPLOY / "keda" / "scaled-object.yaml"
COMPOSE = DEPLOY / "compose" / "compose.yml"


def rules(path: Path) -> list[dict[str, Any]]:
    """All rules of a file."""
    return [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """All alerts."""
    return rules(ALERTS)


def dashboard() -> dict[str, Any]:
    """The dashboard of Grafana."""
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def scaled_object() -> dict[str, Any]:
    """The object that KEDA scales by."""
    found: dict[str, Any] = yaml.safe_load(SCALED_OBJECT.read_text())
    return found
