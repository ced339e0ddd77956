"""Connections of Django are closed around handlers as around requests. Kind: a stale connection, or one that leaks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("django_program.py")
START = """
from kafka_parallel import ParallelConsumer
from tests.runtime.app import App
App(1).parallel(plugins=["django"])
"""


@pytest.fixture
def run(tmp_path):
    """Run the program with some arguments, and return what it has seen."""

    def found(*arguments):
        command = [sys.executable, str(PROGRAM), *arguments]
        environment = {**os.environ, "DATABASE": str(tmp_path / "database")}
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return found


@pytest.mark.parametrize("kind", ["thread-pool", "batch", "asyncio"])
def test_connections_are_closed_after_each_handler(run, kind):
    assert run(kind) == {"committed": 6, "found open": 0, "left open": 0, "threads": 1}


def test_connections_are_closed_after_each_handler_in_child_processes(run):
    assert run("process-pool")["committed"] == 6


@pytest.mark.parametrize("kind", ["thread-pool", "batch", "asyncio"])
def test_connections_that_django_keeps_are_kept_between_records_and_closed_at_the_end(run, kind):
    found = run(kind, "keeps")

    assert found["found open"] == (2 if kind == "batch" else 5)
    assert found["left open"] == 0


@pytest.mark.parametrize("kind", ["thread-pool", "asyncio"])
def test_without_the_plugin_they_stay_open(run, kind):
    assert run(kind, "without")["found open"] == 5


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (None, "plugin django: Django has no settings; run the consumer in a management command"),
        ("no_such_settings", "plugin django: django.setup() failed with ModuleNotFoundError: No module named 'no_such"),
    ],
)
def test_a_django_without_settings_is_refused_at_the_start(module, text):
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    if module is not None:
        environment["DJANGO_SETTINGS_MODULE"] = module

    done = subprocess.run(
        [sys.executable, "-c", START], capture_output=True, text=True, timeout=600, check=False, env=environment
    )

    assert done.returncode == 1
    assert f"ConfigurationError: {text}" in done.stderr.splitlines()[-1]
