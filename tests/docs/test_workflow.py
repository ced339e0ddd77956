"""CI runs exactly `make test`, on every version of Python that the package names; Read the Docs builds `make docs`."""

from __future__ import annotations

import re
from importlib.metadata import metadata
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
SITE = yaml.safe_load((ROOT / ".readthedocs.yaml").read_text())
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


def test_the_tests_on_a_real_kafka_are_all_in_the_folders_that_are_collected_for_them():
    (collected,) = re.findall(r"^BROKER_TESTS := (.*)", MAKEFILE, re.MULTILINE)
    marked = {path for path in (ROOT / "tests").rglob("*.py") if "mark.broker" in path.read_text()} - {Path(__file__)}
    folders = {str(Path(*path.relative_to(ROOT).parts[:2])) for path in marked}

    assert set(collected.split()) == folders - {"tests/faults", "tests/distribution"}  # which have their own targets


# The site


def test_the_site_is_built_of_the_same_sources_and_warnings_fail():
    (command,) = re.findall(r"-m sphinx (.*)", MAKEFILE)

    assert "--fail-on-warning" in command
    assert SITE["sphinx"] == {"configuration": "docs/conf.py", "fail_on_warning": True}


def test_the_site_is_built_on_a_python_that_the_tests_run_on():
    assert SITE["build"]["tools"]["python"] in JOBS["test"]["strategy"]["matrix"]["python"]


def test_the_site_has_the_package_and_the_tools_of_the_documentation():
    assert any("--group docs" in step and "[demo]" in step for step in SITE["build"]["jobs"]["install"])
