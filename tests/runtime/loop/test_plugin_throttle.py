"""A plugin's bounds are taken, or refused with the value and the values that are allowed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kafka import TopicPartition

from kafka_parallel import ConfigurationError
from kafka_parallel._core.in_flight_limits import UNBOUNDED, Throttles
from kafka_parallel._core.task import Task
from kafka_parallel._core.times import AT_ONCE, NEVER
from kafka_parallel._runtime.loop.plugin_throttle import PluginThrottle

NOW = 100.0


class Plugin:
    """A plugin with its throttle, over throttles that no lock guards."""

    def __init__(self):
        self.throttles = Throttles()
        self.throttle = PluginThrottle("x", lambda change: change(self.throttles, NOW))


@pytest.fixture
def plugin():
    return Plugin()


def test_a_bound_holds_at_once(plugin):
    plugin.throttle.limit(3)

    assert plugin.throttles.most_in_flight == 3


def test_none_takes_a_bound_away(plugin):
    plugin.throttle.limit(3)
    plugin.throttle.limit(None)

    assert plugin.throttles.most_in_flight == UNBOUNDED


def test_a_bound_with_a_delay_holds_when_that_is_over(plugin):
    plugin.throttle.limit(0)
    plugin.throttle.limit(None, delay_ms=2000)
    assert plugin.throttles.most_in_flight == 0

    plugin.throttles.advance(NOW + 1.9)
    assert plugin.throttles.most_in_flight == 0
    plugin.throttles.advance(NOW + 2.0)
    assert plugin.throttles.most_in_flight == UNBOUNDED


def test_retries_are_bounded_apart(plugin):
    plugin.throttle.limit_retries(2)

    assert (plugin.throttles.most_retries, plugin.throttles.most_in_flight) == (2, UNBOUNDED)


@pytest.mark.parametrize("bound", [-1, 1.5, True, "3"])
def test_what_is_no_number_of_records_is_refused(plugin, bound):
    with pytest.raises(ConfigurationError, match=r"in_flight=.*: must be an integer of at least 0, or None"):
        plugin.throttle.limit(bound)
    with pytest.raises(ConfigurationError, match=r"in_flight=.*: must be an integer of at least 1, or None"):
        plugin.throttle.limit_retries(0 if bound == -1 else bound)


@pytest.mark.parametrize("delay_ms", [-1, float("inf"), float("nan"), True, "5", None])
def test_what_is_no_delay_is_refused(plugin, delay_ms):
    with pytest.raises(ConfigurationError, match=r"delay_ms=.*: must be a finite number of milliseconds"):
        plugin.throttle.limit(1, delay_ms=delay_ms)


@pytest.mark.parametrize(("method", "covered"), [("limit_topics", "a"), ("limit_other_topics", "b")])
def test_topics_have_bounds_of_their_own_until_these_are_taken_back(plugin, method, covered):
    call = getattr(plugin.throttle, method)
    task = Task(None, 0, None, 0, 0.0)

    call(3, ["a"])
    call(1, ["a"])
    (limit,) = plugin.throttles.limits
    task.assignment = SimpleNamespace(partition=TopicPartition(covered, 0))
    limit.count_starts([task], NOW)
    assert limit.places == 0
    assert limit.earliest_start_of(task) == NEVER
    task.assignment = SimpleNamespace(partition=TopicPartition("b" if covered == "a" else "a", 0))
    assert limit.earliest_start_of(task) == AT_ONCE

    call(None, ["a"])
    assert plugin.throttles.limits == []


@pytest.mark.parametrize("bound", [0, -1, 1.5, True, "3"])
@pytest.mark.parametrize("method", ["limit_topics", "limit_other_topics"])
def test_what_is_no_bound_of_topics_is_refused(plugin, method, bound):
    with pytest.raises(ConfigurationError, match=r"in_flight=.*: must be an integer of at least 1, or None"):
        getattr(plugin.throttle, method)(bound, ["a"])


@pytest.mark.parametrize("rate", [0, -1, 1e10, float("nan"), float("inf"), True, "5"])
@pytest.mark.parametrize("method", ["limit_rate", "limit_rate_per_key"])
def test_what_is_no_rate_is_refused(plugin, method, rate):
    with pytest.raises(ConfigurationError, match=r"records_per_second=.*: must be a number from 1e-09 to 1e\+09"):
        getattr(plugin.throttle, method)(rate)


@pytest.mark.parametrize("burst", [0, -1, 1.5, True, None])
def test_what_is_no_burst_is_refused_with_a_rate_and_without(plugin, burst):
    for rate in (10, None):
        with pytest.raises(ConfigurationError, match=r"burst=.*: must be an integer of at least 1"):
            plugin.throttle.limit_rate(rate, burst=burst)


def test_a_refused_bound_changes_nothing(plugin):
    plugin.throttle.limit(3)

    with pytest.raises(ConfigurationError):
        plugin.throttle.limit(-1)

    assert plugin.throttles.most_in_flight == 3
