"""The plugin's calls of its throttle, their effect on a consumer, and the settings that are refused."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from kafka_parallel import ConfigurationError, hookimpl
from kafka_parallel_plugins.rate_limit import RateLimit
from tests.runtime.app import App


class Said:
    """A throttle that keeps its calls."""

    def __init__(self):
        self.rates = []

    def limit_rate(self, records_per_second, *, burst=1):
        self.rates.append(("all", records_per_second, burst))

    def limit_rate_per_key(self, records_per_second, *, burst=1):
        self.rates.append(("keys", records_per_second, burst))


class Context:
    is_ordered = True


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"records_per_second": 200}, [("all", 200, 20)]),
        ({"records_per_second": 0.5}, [("all", 0.5, 1)]),
        ({"per_key_per_second": 5, "burst": 3}, [("keys", 5, 3)]),
        ({"records_per_second": 200, "per_key_per_second": 5}, [("all", 200, 20), ("keys", 5, 1)]),
    ],
)
def test_it_says_the_rates_and_how_much_may_start_at_once(settings, said):
    throttle = Said()

    RateLimit(**settings).on_throttle(throttle, Context())

    assert throttle.rates == said


@pytest.mark.parametrize("setting", ["records_per_second", "per_key_per_second"])
@pytest.mark.parametrize("value", [0, -1, True, float("nan"), float("inf"), 1e-12, "fast"])
def test_a_rate_that_cannot_work_is_refused_at_once(setting, value):
    with pytest.raises(ConfigurationError, match=f"{setting} of plugin rate-limit is {value!r}"):
        RateLimit(**{setting: value})


@pytest.mark.parametrize("value", [0, -1, True, 1.5, float("nan")])
def test_a_burst_that_cannot_work_is_refused_at_once(value):
    with pytest.raises(ConfigurationError, match=f"burst of plugin rate-limit is {value!r}"):
        RateLimit(records_per_second=1, burst=value)


def test_no_limit_at_all_is_refused():
    with pytest.raises(ConfigurationError, match="records_per_second or per_key_per_second"):
        RateLimit()


def test_a_limit_per_key_is_refused_where_no_record_has_a_key():
    limit = ("rate-limit", {"per_key_per_second": 5})

    error = App().run(plugins=[limit], ordering="unordered")

    assert isinstance(error, ConfigurationError)
    assert "per_key_per_second" in str(error)
    assert "unordered" in str(error)


@pytest.mark.parametrize(
    ("method", "arguments", "name"),
    [
        ("limit_rate", {"records_per_second": 0}, "records_per_second=0"),
        ("limit_rate", {"records_per_second": -2.5}, "records_per_second=-2.5"),
        ("limit_rate_per_key", {"records_per_second": float("nan")}, "records_per_second=nan"),
        ("limit_rate_per_key", {"records_per_second": True}, "records_per_second=True"),
        ("limit_rate", {"records_per_second": 5, "burst": 0}, "burst=0"),
        ("limit_rate_per_key", {"records_per_second": 5, "burst": True}, "burst=True"),
    ],
)
def test_what_a_plugin_says_wrong_to_its_throttle_fails_the_start_with_the_value_named(method, arguments, name):
    class Wrong:
        @hookimpl
        def on_throttle(self, throttle):
            getattr(throttle, method)(**arguments)

    error = App().run(plugins=[Wrong()])

    assert isinstance(error, ConfigurationError)
    assert name in str(error)


def bounded(times, began, rate, burst):
    """Tell whether at no moment more had started than the rate allows since *began*."""
    return all(count <= burst + rate * (at - began) for count, at in enumerate(sorted(times), 1))


def test_a_consumer_starts_no_more_than_the_rate_allows_and_all_in_the_end():
    app, times, began = App(40), [], time.monotonic()

    assert (
        app.run(lambda _: times.append(time.monotonic()), plugins=[("rate-limit", {"records_per_second": 100})]) is None
    )

    assert app.handled == list(range(40)), "they have one key"
    assert app.committed == 40
    assert bounded(times, began, rate=100, burst=10)


def test_the_coroutines_of_a_key_are_started_when_its_pace_allows_it():
    app, times, began = App(12), [], time.monotonic()
    parallel = app.parallel(plugins=[("rate-limit", {"per_key_per_second": 50, "burst": 1})])

    async def handle(record):
        times.append(time.monotonic())
        await asyncio.sleep(0.01)  # until an idle worker has looked, and sleeps

    parallel.start(handle)

    assert parallel.join(timeout_ms=30_000), f"it stands still after {len(times)} records"
    assert app.committed == 12
    assert bounded(times, began, rate=50, burst=1)


def test_statistics_say_what_waits_for_its_pace_and_a_stop_does_not_wait_for_it():
    app, begun = App(5), threading.Event()
    parallel = app.parallel(plugins=[("rate-limit", {"per_key_per_second": 0.001})])
    waits = threading.Event()

    class Look:
        @hookimpl
        def on_commit(self):
            if begun.is_set() and parallel.statistics().rate_limited == 1:
                waits.set()

    parallel._plugins._register(Look(), "look", "test")
    parallel.start(lambda _: begun.set())
    assert waits.wait(30) or parallel.statistics() == ()
    parallel.stop()

    assert parallel.join(timeout_ms=15_000), "a stop may take 20 seconds, and waits for nothing that cannot start"
    assert app.committed == 1
