"""A distribution of its own works by being installed, by name, and not at all if it is blocked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parents[2] / "examples" / "third_party_plugin"
PROGRAM = "import os; from kafka_parallel._plugins.manager import Plugins; print(Plugins({wanted}, os.environ).names())"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Install the example with pip into a folder of its own."""
    folder = tmp_path_factory.mktemp("third-party")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), str(PLUGIN)]
    subprocess.run(command, check=True, timeout=800)
    return folder


def names(installed, wanted, **environment):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(wanted=wanted)],
        env={**os.environ, "PYTHONPATH": str(installed), **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return done.stdout.strip() or done.stderr


@pytest.mark.parametrize(
    ("wanted", "environment", "active"),
    [
        ([], {}, "['slow-log']"),
        ([("slow-log", {"limit_ms": 5})], {}, "['slow-log']"),
        (["no:slow-log"], {}, "[]"),
        ([], {"KAFKA_PARALLEL_DISABLE_PLUGIN_AUTOLOAD": "1"}, "[]"),
        ([], {"KAFKA_PARALLEL_DISABLE_PLUGIN_AUTOLOAD": "1", "KAFKA_PARALLEL_PLUGINS": "slow-log"}, "['slow-log']"),
    ],
)
def test_it_is_active_when_it_should_be(installed, wanted, environment, active):
    assert names(installed, wanted, **environment) == active


def test_its_own_tests_pass(installed):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(PLUGIN / "tests")],
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert done.returncode == 0, done.stdout
