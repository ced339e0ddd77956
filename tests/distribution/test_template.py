"""A plugin fresh from the template passes ruff, mypy and its contract, in an environment with nothing but wheels."""

from __future__ import annotations

import pytest

from tests.distribution.conftest import Environment

pytestmark = pytest.mark.distribution


@pytest.fixture(scope="module")
def folder(tmp_path_factory, wheel):
    """The folder of a plugin that the command of the wheel has written."""
    maker = Environment(tmp_path_factory.mktemp("maker"))
    maker.install(f"{wheel}[cli]")
    place = tmp_path_factory.mktemp("written") / "plugin"
    maker.run("-m", "kafka_parallel.cli", "plugins", "new", "slow-log", "--folder", place)
    return place


@pytest.fixture(scope="module")
def fresh(tmp_path_factory, wheel, folder):
    """An environment with the wheels of the library and of the plugin, and the tools that the plugin names."""
    made = Environment(tmp_path_factory.mktemp("empty"))
    made.install("--upgrade", "pip>=25.1")
    built = tmp_path_factory.mktemp("built")
    made.run("-m", "pip", "wheel", "-q", "--no-deps", "-w", built, folder)
    made.install(wheel, *built.glob("*.whl"), "--group", f"{folder}/pyproject.toml:dev")
    return made


@pytest.mark.parametrize("check", [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]], ids=" ".join)
def test_its_style_and_its_types_are_right(fresh, folder, check):
    fresh.run("-m", *check, folder=folder)


def test_it_passes_its_contract_and_its_tests(fresh, folder):
    said = fresh.run("-m", "pytest", "-q", folder=folder)

    assert "failed" not in said
    assert "passed" in said
