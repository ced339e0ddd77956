"""The path of the limit, over servers whose capacity is known, and its effect on a consumer."""

from __future__ import annotations

import asyncio
import logging
import threading
from heapq import heappop, heappush

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from kafka_parallel import ConfigurationError, hookimpl
from kafka_parallel_plugins.adaptive_concurrency import AdaptiveConcurrency, Gradient
from tests.runtime.app import App


class Server:
    """Answers in *latency* seconds up to its capacity; above it, callers wait for each other.

    :ivar limits: the limit after each answer, from the beginning or the last `forget` on.
    """

    def __init__(self, gradient, capacity, latency=0.02, demand=1000):
        self.gradient, self.capacity, self.latency, self.demand = gradient, capacity, latency, demand
        self.now, self.running, self.limits, self.answers = 0.0, [], [], 0

    def run(self, seconds, *, fails=False):
        self.limits, self.answers = [], 0
        until = self.now + seconds
        while self.now < until:
            while len(self.running) < min(self.gradient.limit, self.demand):
                self.gradient.began()
                load = max(1, (len(self.running) + 1) / self.capacity)
                heappush(self.running, (self.now + self.latency * load, self.now))
            self.now, began = heappop(self.running)
            self.gradient.ended(began, self.now, failed=fails)
            self.limits.append(self.gradient.limit)
            self.answers += 1
        return self


@pytest.mark.parametrize("capacity", [1, 4, 16, 40])
@pytest.mark.parametrize("latency", [0.005, 1.0])
def test_it_settles_a_little_above_the_capacity(capacity, latency):
    server = Server(Gradient(1, 64), capacity, latency).run(seconds=1500 * latency)

    server.run(seconds=1000 * latency)

    highest = max(server.limits)
    settled = [limit for limit in server.limits if limit > highest / 1.5]  # all but the looks at half of it
    assert capacity <= min(settled)
    assert highest <= 1.25 * capacity + 2 * capacity**0.5 + 6
    assert server.answers >= 0.95 * 1000 * capacity, "and the server is kept busy"


def test_it_goes_to_the_most_where_load_does_not_matter_and_no_further():
    server = Server(Gradient(2, 48), capacity=1e9).run(seconds=10)

    assert max(server.limits) == 48
    assert server.limits.count(48) > len(server.limits) / 2


def test_handlers_that_take_no_time_are_not_held_back_although_few_run_at_once():
    server = Server(Gradient(1, 48), capacity=1e9, latency=1e-4, demand=1).run(seconds=5)

    assert max(server.limits) == 48


def test_a_light_load_does_not_open_it_wide():
    server = Server(Gradient(1, 64), capacity=8, demand=3).run(seconds=60)

    assert max(server.limits) <= 8


def test_it_comes_back_after_a_slow_phase_and_lives_with_one_that_stays():
    server = Server(Gradient(1, 64), capacity=16).run(seconds=20)
    before = max(server.limits)

    server.latency = 0.2
    server.run(seconds=5)
    assert min(server.limits) <= before / 2
    server.run(seconds=60)
    assert max(server.limits[len(server.limits) // 2 :]) >= 16, "slower for everybody is no reason to send less"
    server.latency = 0.02
    server.run(seconds=20)
    server.run(seconds=10)
    assert server.answers >= 0.95 * 10 * 16 / 0.02


def test_handlers_that_never_return_stop_nothing():
    server = Server(Gradient(1, 16), capacity=1e9)
    for _ in range(3):
        server.gradient.began()

    server.run(seconds=30)

    assert server.limits.count(16) > len(server.limits) / 2


def test_what_outlived_its_partition_is_not_measured():
    gradient = Gradient(1, 64)
    for _ in range(1000):
        gradient.began()
        gradient.ended(0.0, 100.0, failed=False, counts=False)

    assert gradient.usual is None
    assert gradient.limit == 1
    assert max(Server(gradient, capacity=1e9).run(seconds=10).limits) == 64, "and they are not taken to run still"


def test_a_consumer_tells_it_what_outlived_its_partition():
    app, has_left, times = App(1), threading.Event(), []

    class Leaving:
        @hookimpl
        def on_revoke(self):
            has_left.set()

    class Measures(AdaptiveConcurrency):
        @hookimpl
        def on_throttle(self, throttle, settings):
            super().on_throttle(throttle, settings)
            ended = self._gradient.ended
            self._gradient.ended = lambda *called, **how: times.append(how["counts"]) or ended(*called, **how)

    def handle(_):
        if not times:
            app.cluster.group("g").rebalance()
            assert has_left.wait(60)

    assert app.run(handle, plugins=[Leaving(), Measures()], revoke_timeout_ms=50) is None
    assert times == [False, True]


def test_quick_refusals_do_not_open_it_and_timeouts_close_it():
    server = Server(Gradient(1, 64), capacity=16).run(seconds=20)
    before = max(server.limits)

    server.latency = 0.001
    assert set(server.run(seconds=5, fails=True).limits) <= {server.limits[0]}
    server.latency = 1.0
    assert min(server.run(seconds=20, fails=True).limits) <= before / 2


@settings(max_examples=25)
@given(
    least=st.integers(1, 5),
    more=st.integers(0, 60),
    phases=st.lists(
        st.tuples(st.sampled_from([1, 5, 50]), st.sampled_from([0.0, 1e-3, 0.02, 3.0]), st.booleans()), max_size=4
    ),
)
def test_whatever_happened_it_stays_within_its_bounds_and_does_not_stick_to_the_least(least, more, phases):
    most = least + more
    gradient = Gradient(least, most)
    server = Server(gradient, capacity=1)
    for capacity, latency, fails in phases:
        server.capacity, server.latency = capacity, latency
        for _ in range(3):
            until = server.now + max(0.5, 10 * latency)
            server.run(seconds=until - server.now if latency else 0, fails=fails)
            assert all(least <= limit <= most for limit in server.limits)

    server.capacity, server.latency = 1e9, 0.1
    server.run(seconds=100)

    assert all(least <= limit <= most for limit in server.limits)
    assert server.limits.count(most) >= len(server.limits) / 2


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"min_in_flight": 0}, "min_in_flight of plugin adaptive-concurrency is 0"),
        ({"min_in_flight": True}, "min_in_flight of plugin adaptive-concurrency is True"),
        ({"min_in_flight": None}, "min_in_flight of plugin adaptive-concurrency is None"),
        ({"max_in_flight": -1}, "max_in_flight of plugin adaptive-concurrency is -1"),
        ({"max_in_flight": 2.5}, "max_in_flight of plugin adaptive-concurrency is 2.5"),
        ({"max_in_flight": float("nan")}, "max_in_flight of plugin adaptive-concurrency is nan"),
        ({"min_in_flight": 9, "max_in_flight": 8}, "max_in_flight of plugin adaptive-concurrency is 8"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_at_once(settings, named):
    with pytest.raises(ConfigurationError, match=named):
        AdaptiveConcurrency(**settings)


def test_a_least_above_the_workers_is_refused_at_the_start():
    error = App().run(plugins=[("adaptive-concurrency", {"min_in_flight": 3})], workers=2)

    assert isinstance(error, ConfigurationError)
    assert "min_in_flight" in str(error)
    assert "3" in str(error)
    assert "workers=2" in str(error)


class Watch:
    """Counts how many handlers run at once, and the bounds that are said."""

    def __init__(self):
        self.running = self.peak = 0
        self.bounds, self.lock = set(), threading.Lock()
        self.parallel = None

    @hookimpl(wrapper=True, tryfirst=True)
    def on_record(self):
        with self.lock:
            self.running += 1
            self.peak = max(self.peak, self.running)
        try:
            return (yield)
        finally:
            with self.lock:
                self.running -= 1
                self.bounds.add(self.parallel.statistics().throttled["adaptive-concurrency"])


def grown(watch, bounds):
    """The limit has grown from the least, and no more ran than it ever said."""
    assert min(watch.bounds) == 1 < max(watch.bounds) <= bounds
    assert watch.peak <= max(watch.bounds)


def test_it_opens_for_threads_and_says_so(caplog):
    caplog.set_level(logging.INFO, "kafka_parallel_plugins.adaptive_concurrency")
    app, watch, pause = App(600), Watch(), threading.Event()
    options = {"workers": 4, "ordering": "unordered", "plugins": [watch, "adaptive-concurrency"]}
    watch.parallel = app.parallel(**options)

    watch.parallel.start(lambda _: pause.wait(0.004))
    assert watch.parallel.join(timeout_ms=60_000)

    assert app.committed == 600
    grown(watch, 4)
    assert [record.getMessage()[:42] for record in caplog.records][:1] == ["at most 2 records are in flight now, 1 bef"]


def test_it_opens_for_coroutines_and_measures_how_long_they_take():
    app, watch = App(600), Watch()
    options = {
        "workers": 8,
        "ordering": "unordered",
        "plugins": [watch, ("adaptive-concurrency", {"max_in_flight": 4})],
    }
    watch.parallel = app.parallel(**options)

    async def handle(record):
        await asyncio.sleep(0.004)

    watch.parallel.start(handle)
    assert watch.parallel.join(timeout_ms=60_000)

    assert app.committed == 600
    grown(watch, 4)
