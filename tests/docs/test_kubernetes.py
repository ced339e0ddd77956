"""The deployment that the documentation shows leaves a run the time that it takes to stop."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import yaml

from kafka_parallel import ParallelConsumer

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "run-on-kubernetes.md"
LAST_COMMIT_MS = 10_000


def pod() -> dict:
    (deployment,) = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return yaml.safe_load(deployment)["spec"]["template"]["spec"]


def test_the_grace_period_is_longer_than_a_stop_with_its_commit():
    stop_timeout_ms = inspect.signature(ParallelConsumer).parameters["stop_timeout_ms"].default

    assert pod()["terminationGracePeriodSeconds"] * 1000 > stop_timeout_ms + LAST_COMMIT_MS


def test_sigterm_reaches_python():
    (container,) = pod()["containers"]

    assert container["command"][0] == "python"
