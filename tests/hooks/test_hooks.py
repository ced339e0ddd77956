"""That each hook is composed in one place. Kind: the structure of the source, and one run of each kind."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import kafka_parallel
from kafka_parallel import hookimpl
from kafka_parallel._plugins import hooks, provided
from kafka_parallel._plugins.hooks import Hooks
from kafka_parallel._plugins.manager import HOOKS, NO_AUTOLOAD_VARIABLE, Plugins

LIBRARY = Path(kafka_parallel.__file__).parent


def composed(*plugins):
    return Hooks(Plugins(list(plugins), {NO_AUTOLOAD_VARIABLE: "1"}), "the settings")


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_each_hook_is_composed_where_its_kind_is(name):
    place = provided if name.startswith("provide_") else hooks

    assert f"hook.{name}" in inspect.getsource(place)


def test_no_other_module_asks_pluggy_for_a_hook():
    found = {
        path.name
        for path in LIBRARY.rglob("*.py")
        if "get_hookimpls" in (source := path.read_text()) or ".hook.on_" in source or ".hook.provide_" in source
    }

    by_hand = {"attempts_by_hand.py"}  # of the contract for plugins, outside of a run
    assert found == {"chains.py", "hooks.py", "implementations.py", "manager.py", "provided.py"} | by_hand


def test_a_hook_that_hears_is_told_with_the_settings_and_one_that_raises_hears_no_more():
    told = []

    class Hears:
        @hookimpl
        def on_revoke(self, partitions, lost, settings):
            told.append((partitions, lost, settings))
            raise ValueError("once")

    found = composed(Hears())
    found.on_revoke(frozenset("p"), lost=True)
    found.on_revoke(frozenset("q"), lost=False)

    assert told == [(frozenset("p"), True, "the settings")]


def test_a_hook_that_may_stop_the_start_lets_its_error_out():
    class Refuses:
        @hookimpl
        def on_start(self, settings):
            raise ValueError(settings)

    with pytest.raises(ValueError, match="the settings"):
        composed(Refuses()).on_start()


def test_each_plugin_gets_the_throttle_of_its_name():
    given = []

    class Takes:
        @hookimpl
        def on_throttle(self, throttle):
            given.append(throttle)

    composed(Takes()).on_throttle(lambda plugin: f"throttle of {plugin}")

    assert given == ["throttle of Takes"]


def test_without_a_plugin_nothing_is_measured_or_surrounded():
    found = composed()

    assert not found.hears_handled
    assert not found.surrounds_records
    assert found.around_commit(lambda: None) is None
    assert found.on_error("record", ValueError(), "context") is None
