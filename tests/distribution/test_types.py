"""py.typed of the installed wheel is honoured: mypy and pyright check a user's program, and know all public types."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.distribution

ACCEPTED = [Path(__file__).parents[1] / "typing" / name for name in ("user_code.py", "consumers.py")]
REFUSED = Path(__file__).parents[1] / "typing/refused.py"
# The lines of that program that a checker has to refuse.
WRONG = {number for number, line in enumerate(REFUSED.read_text().splitlines(), 1) if line.endswith("# wrong")}
# Run, not imported: base classes are those of click, pytest and greenlet, which extras bring.
COMMAND = re.compile(r"kafka_parallel\.(cli|testing\.simulation)\b")


@pytest.fixture
def mypy(environment, tool):
    return [tool("mypy"), "--strict", "--config-file", "", "--python-executable", environment.python]


@pytest.fixture
def pyright(environment, tool):
    return [tool("pyright"), "--pythonpath", environment.python]


@pytest.fixture(params=["mypy", "pyright"])
def checker(request):
    return request.getfixturevalue(request.param)


def check(checker, program, folder):
    """Check a copy of *program* in a folder of its own, so that no source of ours is beside it."""
    copy = folder / program.name
    copy.write_text(program.read_text())
    return subprocess.run([*checker, copy], capture_output=True, text=True, check=False, cwd=folder)


@pytest.mark.parametrize("program", ACCEPTED, ids=lambda path: path.stem)
def test_a_users_program_is_accepted(program, checker, tmp_path):
    done = check(checker, program, tmp_path)

    assert done.returncode == 0, done.stdout


def test_each_mistake_of_a_program_is_found(checker, tmp_path):
    done = check(checker, REFUSED, tmp_path)

    found = {int(number) for number in re.findall(r"refused\.py:(\d+)(?::\d+)?(?: -|:) error", done.stdout)}
    assert done.returncode == 1, done.stdout
    assert found == WRONG, done.stdout


def test_the_type_of_every_public_name_is_known(environment, tool, tmp_path):
    search = f"{environment.python.parent}{os.pathsep}{os.environ['PATH']}"  # --verifytypes asks the first python on it
    command = [tool("pyright"), "--verifytypes", "kafka_parallel", "--ignoreexternal", "--outputjson"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, "PATH": search}
    )

    report = json.loads(done.stdout)["typeCompleteness"]
    exported = [symbol for symbol in report["symbols"] if symbol["isExported"] and not COMMAND.match(symbol["name"])]
    assert len(exported) > 500
    assert [symbol["name"] for symbol in exported if not symbol["isTypeKnown"]] == []
