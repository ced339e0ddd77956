"""CI runs exactly `make test`, on every version of Python that the package names."""

from __future__ import annotations

import re
from importlib.metadata import metadata
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
JOBS = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]


def called():
    """The targets that the workflow makes."""
    commands = [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]
    assert all(command.startswith("make ") for command in commands)
    return {target for command in commands for target in command.split()[1:]}


def test_every_step_makes_a_target_that_exists():
    targets = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.MULTILINE))

    assert called() - targets == set()


def test_all_that_make_test_runs_is_run():
    (prerequisites,) = re.findall(r"^test: ([a-z0-9 -]+?) *##", MAKEFILE, re.MULTILINE)

    assert set(prerequisites.split()) - called() == set()


def test_the_tests_run_on_every_version_of_python_that_the_package_names():
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(metadata("kafka-parallel").get_all("Classifier")))

    assert len(named) > 3
    assert sorted(JOBS["test"]["strategy"]["matrix"]["python"]) == sorted(named)
