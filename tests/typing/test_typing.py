"""User code type-checks against the library, and mistakes in it are found; by mypy and by pyright."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ACCEPTED = [HERE / "user_code.py", HERE / "consumers.py"]
REFUSED = HERE / "refused.py"
WRONG = {number for number, line in enumerate(REFUSED.read_text().splitlines(), 1) if line.endswith("# wrong")}

MYPY = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--config-file", ""]
CHECKERS = {
    "mypy": MYPY,
    # kafka-python has no types, and mypy then takes all of it for Any, or reads its source like pyright
    "mypy-that-reads-kafka-python": [*MYPY, "--follow-untyped-imports"],
    "pyright": [sys.executable, "-m", "pyright", "--pythonpath", sys.executable],
}


@pytest.fixture(params=CHECKERS)
def check(request):
    def check(*paths):
        command = [*CHECKERS[request.param], *map(str, paths)]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE)

    return check


def test_user_code_is_accepted(check):
    done = check(*ACCEPTED)

    assert done.returncode == 0, done.stdout


def test_each_mistake_is_found(check):
    done = check(REFUSED)

    found = {int(number) for number in re.findall(r"refused\.py:(\d+)(?::\d+)?(?: -|:) error", done.stdout)}
    assert done.returncode == 1, done.stdout
    assert found == WRONG, done.stdout
