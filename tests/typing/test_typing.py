"""User code type-checks against the library, and mistakes in it are found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def check(path):
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--config-file", "", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=path.parent)


def test_user_code_is_accepted():
    done = check(HERE / "user_code.py")

    assert done.returncode == 0, done.stdout


def test_each_mistake_is_found(tmp_path):
    mistakes = ["ParallelConsumer(None, worker=3)", "ParallelConsumer(None, workers='3')", "Retry('soon')", "Skip()"]
    path = tmp_path / "mistake.py"
    path.write_text("\n".join(["from kafka_parallel import ParallelConsumer, Retry, Skip", *mistakes]))

    done = check(path)

    assert done.returncode == 1
    for line in range(2, len(mistakes) + 2):
        assert f"mistake.py:{line}: error" in done.stdout
