"""The files that ``make dist`` has built, and an environment with the wheel and nothing but its requirements."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def built(pattern):
    """Return the one file of dist/ that matches *pattern*: ``make dist`` empties the folder before it builds."""
    (found,) = (ROOT / "dist").glob(pattern)
    return found


@pytest.fixture(scope="session")
def wheel():
    return built("*.whl")


@pytest.fixture(scope="session")
def sdist():
    return built("*.tar.gz")


class Environment:
    """A virtual environment in a folder of its own, run without anything of the caller's."""

    def __init__(self, folder):
        venv.create(folder, with_pip=True)
        self.python = folder / "bin/python"

    def install(self, *what):
        self.run("-m", "pip", "install", "-q", *map(str, what))

    def run(self, *arguments, folder=None):
        """Run its interpreter isolated (-I): neither PYTHONPATH nor the current folder adds a module."""
        command = [str(self.python), "-I", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder or self.python.parent)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def environment(tmp_path_factory, wheel):
    made = Environment(tmp_path_factory.mktemp("without-extras"))
    made.install(wheel)
    return made


@pytest.fixture(scope="session")
def tool():
    """The path of a command of the environment that runs the tests."""
    return Path(sys.executable).with_name
