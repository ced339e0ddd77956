"""Without a broker, tests skip on a laptop and fail where a skip would go unnoticed."""

import os
import subprocess
import sys

import pytest

from kafka_parallel.testing.pytest_plugin import in_ci, topic_name

TEST = """
def test_it(kafka_broker):
    pass

def test_topic(topic):
    topic(3)
"""


@pytest.fixture
def run_without_broker(tmp_path):
    """Run pytest where there is no daemon, no jar and no network."""

    def run(**environment):
        (tmp_path / "test_it.py").write_text(TEST)
        kept = {name: value for name, value in os.environ.items() if name not in {"CI", "KAFKA_BOOTSTRAP_SERVERS"}}
        nowhere = {
            "HOME": str(tmp_path),
            "XDG_CACHE_HOME": str(tmp_path),
            "DOCKER_HOST": f"unix://{tmp_path}/nobody",
            "KAFKA_PARALLEL_MAVEN_URL": "http://127.0.0.1:1",
            "NO_PROXY": "127.0.0.1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        command = [sys.executable, "-m", "pytest", "-rs", "-p", "kafka_parallel.testing.pytest_plugin", "test_it.py"]
        return subprocess.run(
            command, cwd=tmp_path, env=kept | nowhere | environment, capture_output=True, text=True, check=False
        )

    return run


def test_on_a_laptop_the_tests_are_skipped_with_every_reason(run_without_broker):
    result = run_without_broker(COLUMNS="1000")

    assert result.returncode == 0
    assert "2 skipped" in result.stdout
    for reason in ("KAFKA_BOOTSTRAP_SERVERS is not set", "no docker daemon answers", "cannot download"):
        assert reason in result.stdout


def test_in_ci_they_fail(run_without_broker):
    result = run_without_broker(CI="true")

    assert result.returncode == 1
    assert "2 errors" in result.stdout


@pytest.mark.parametrize(
    ("value", "expected"), [("true", True), ("1", True), ("", False), ("false", False), ("0", False)]
)
def test_ci_is_what_the_environment_says(monkeypatch, value, expected):
    monkeypatch.setenv("CI", value)

    assert in_ci() is expected


def test_a_topic_says_which_test_it_is_from_and_is_new():
    first, second = topic_name("test_it[a/b 1]"), topic_name("test_it[a/b 1]")

    assert first.startswith("test_it-a-b-1-")
    assert first != second


def test_a_topic_name_is_never_too_long_for_kafka():
    assert len(topic_name("x" * 500)) <= 249
