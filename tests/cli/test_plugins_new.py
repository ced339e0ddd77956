"""The command writes a plugin, and nothing over anything."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from kafka_parallel.cli import command


def call(*arguments):
    return CliRunner().invoke(command(), ["plugins", *arguments])


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_distribution_is_written_with_names_made_of_its_own(in_folder):
    done = call("new", "slow-log")

    folder = in_folder / "kafka-parallel-slow-log"
    assert (done.exit_code, done.output.splitlines()[1]) == (0, "  cd kafka-parallel-slow-log")
    assert "class SlowLog:" in (folder / "src/kafka_parallel_slow_log/__init__.py").read_text()
    assert 'slow-log = "kafka_parallel_slow_log:SlowLog"' in (folder / "pyproject.toml").read_text()
    version = importlib.metadata.version("kafka-parallel")
    assert f'dependencies = ["kafka-parallel>={version}"]' in (folder / "pyproject.toml").read_text()
    assert "$" not in "".join(path.read_text() for path in folder.rglob("*.py"))


def test_the_steps_that_follow_are_those_of_the_how_to(in_folder):
    how_to = (Path(__file__).parents[2] / "docs/how-to/write-a-plugin.md").read_text()
    steps = [line.removeprefix("$ ") for line in how_to.splitlines() if line.startswith("$ ")]
    first = steps.index("cd kafka-parallel-slow-log")

    told = [line.strip() for line in call("new", "slow-log").output.splitlines()[1:]]

    assert told == steps[first:]
    readme = (in_folder / "kafka-parallel-slow-log/README.md").read_text()
    assert [step for step in steps[first + 1 :] if f"$ {step}" not in readme] == []


def test_the_files_are_as_ruff_wants_them(in_folder):
    call("new", "a", "--folder", "here")
    ruff = Path(sys.executable).with_name("ruff")

    for command_line in ([ruff, "check", "--no-cache"], [ruff, "format", "--check", "--no-cache"]):
        done = subprocess.run(command_line, cwd=in_folder / "here", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["Slow", "slow_log", "-x", "slow--log", "1st", "slow log", "../x"])
def test_a_name_that_cannot_be_one_is_refused(in_folder, name):
    done = call("new", "--", name)

    assert done.exit_code == 2
    assert "lower-case words with dashes, as in slow-log" in " ".join(done.output.split())
    assert [*in_folder.iterdir()] == []


def test_the_name_of_a_plugin_that_is_there_is_refused(in_folder):
    done = call("new", "retry")

    assert done.exit_code == 2
    assert "there is a plugin 'retry' already" in done.output


def test_nothing_is_written_over(in_folder):
    call("new", "slow-log")
    file = in_folder / "kafka-parallel-slow-log/README.md"
    file.write_text("mine")

    done = call("new", "slow-log")

    assert done.exit_code == 2
    assert "is there and not empty" in done.output
    assert file.read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_said(in_folder):
    (in_folder / "file").touch()

    done = call("new", "slow-log", "--folder", "file/below")

    assert done.exit_code == 1
    assert "the plugin cannot be written" in done.output


def test_without_a_word_the_plugins_are_listed():
    done = call("--json")

    assert done.exit_code == 0
    assert '"name": "retry"' in done.output
