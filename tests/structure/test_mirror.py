"""A module's tests are found by its name: `_core/offsets.py` has `tests/core/test_offsets.py`."""

from __future__ import annotations

from pathlib import Path

from tests.structure.imports import modules

TESTS = Path(__file__).parents[1]
MIRRORED = ("kafka_parallel._core.", "kafka_parallel._runtime.")
# Modules that hold protocols only: there is nothing to run.
WITHOUT_RULES = {"kafka_parallel._runtime.handlers.attempt_protocols"}


def mirror_of(name):
    """The file with the tests of the module called *name*."""
    *folders, module = name.removeprefix("kafka_parallel.").split(".")
    return TESTS.joinpath(*(folder.lstrip("_") for folder in folders), f"test_{module}.py")


def mirrored():
    """All modules that have rules and are no package."""
    names = {name for name, path in modules().items() if path.stem != "__init__" and name.startswith(MIRRORED)}
    return names - WITHOUT_RULES


def test_every_module_has_tests_where_its_name_says():
    without = {name for name in mirrored() if not mirror_of(name).exists()}

    assert without == set(), "add a test module for each of these"


def test_the_mirror_of_a_module_is_at_its_own_path():
    assert mirror_of("kafka_parallel._runtime.loop.rebalance") == TESTS / "runtime" / "loop" / "test_rebalance.py"
