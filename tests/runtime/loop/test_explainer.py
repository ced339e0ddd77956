"""A program asks why its run does not go on. The causes are planted in ``tests/simulation/incidents.py``."""

from __future__ import annotations

import pytest

from kafka_parallel import StateError, hookimpl
from tests.runtime.app import PARTITION, App
from tests.runtime.loop.test_run_facts import Held
from tests.runtime.loop.test_run_state import until


def test_before_a_run_there_is_nothing_to_explain():
    with pytest.raises(StateError, match="explain"):
        App().parallel().explain()


def held(parallel):
    """Wait until the record at 2 is known to stand, and return the first explanation."""
    until("a standstill", lambda: parallel.explain()[0].cause == "handler")
    return parallel.explain()[0]


def test_a_running_handler_with_its_thread_and_its_line():
    with Held(stuck_after_ms=100) as parallel:
        found = held(parallel)

        assert (found.partition, found.offset) == (PARTITION, 2)
        assert found.lasts_ms >= 1_000
        assert "test_run_facts.py:" in found.sentence
        assert "its handler runs in kafka-parallel" in found.sentence


def test_a_key_is_shown_on_request_only():
    with Held() as parallel:
        held(parallel)

        assert "b'key'" not in parallel.explain()[0].sentence
        assert "key b'key'" in parallel.explain(keys=True)[0].sentence


def test_a_plugin_may_ask():
    class Asks:
        @hookimpl
        def on_start(self, settings):
            self.facts = settings.facts
            assert self.facts.explain()[0].cause == "not running"

    plugin = Asks()
    with Held(plugins=[plugin]) as parallel:
        held(parallel)

        assert plugin.facts.explain()[0].cause == "handler"

    assert [reason.cause for reason in plugin.facts.explain()] == ["not running"]
    assert plugin.facts.explain()[0].sentence == "the run is 'stopped': nothing is handled"
