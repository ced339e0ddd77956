"""The opening and closing of the circuit, and the consumer meanwhile."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kafka_parallel import ConfigurationError, HandlerTimeout, Retry, hookimpl
from kafka_parallel._showing import shown
from kafka_parallel_plugins.circuit_breaker import Circuit, CircuitBreaker
from tests.plugins.test_dlq import Clock, context, settings
from tests.runtime.app import App


def told(circuit, *ended):
    """The circuit's answers to attempts of (failed, began, now)."""
    return [circuit.saw(failed=failed, trips=False, began=began, now=now) for failed, began, now in ended]


def test_it_opens_above_the_ratio_of_a_full_window():
    circuit = Circuit(failure_ratio=0.5, window=4, delay=10.0, probes=1)

    assert told(circuit, *((failed, 0.0, 0.0) for failed in (True, True, True))) == [None] * 3, "not full"
    assert told(circuit, (False, 0.0, 0.0)) == ["open"]
    assert circuit.probe_at == 10.0


def test_exactly_the_ratio_is_not_above_it_and_old_attempts_are_forgotten():
    circuit = Circuit(failure_ratio=0.5, window=4, delay=10.0, probes=1)
    history = (True, True, False, False, True, False, True, False)

    assert told(circuit, *((failed, 0.0, 0.0) for failed in history)) == [None] * 8


def test_an_error_of_a_given_class_opens_it_at_once():
    circuit = Circuit(failure_ratio=0.5, window=4, delay=10.0, probes=1)

    assert circuit.saw(failed=True, trips=True, began=0.0, now=1.0) == "open"


def test_probes_close_it_and_attempts_from_before_do_not_count():
    circuit = Circuit(failure_ratio=0.0, window=1, delay=10.0, probes=2)
    told(circuit, (True, 0.0, 1.0))

    assert told(circuit, (False, 0.5, 12.0), (True, 0.5, 12.0)) == [None, None], "they began before"
    assert told(circuit, (False, 11.0, 12.0), (True, 11.0, 12.0)) == [None, "open"]
    assert told(circuit, (False, 22.0, 22.5), (False, 22.1, 22.6)) == [None, "close"]
    assert told(circuit, (True, 22.2, 22.7)) == [None], "it began while the circuit was open"
    assert told(circuit, (True, 22.7, 22.8)) == ["open"]


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 8), st.sampled_from([0.0, 0.25, 0.5, 0.9]))
def test_it_opens_exactly_when_the_plain_count_says_so(history, window, ratio):
    circuit = Circuit(ratio, window, delay=10.0, probes=1)

    for at, failed in enumerate(history):
        recent = history[max(0, at + 1 - window) : at + 1]
        expected = "open" if len(recent) == window and sum(recent) > ratio * window else None
        assert circuit.saw(failed=failed, trips=False, began=0.0, now=0.0) == expected
        if expected:
            return


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("failure_ratio", 1), ("failure_ratio", -0.1), ("failure_ratio", float("nan")), ("window", 0), ("window", 2.5),
        ("probe_after_ms", 0), ("probe_after_ms", -1), ("probe_after_ms", float("inf")), ("probes", 0),
        ("open_on", [int]), ("open_on", (KeyboardInterrupt,)), ("open_on", "ValueError"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_work_is_refused_at_once(setting, value):
    with pytest.raises(ConfigurationError, match=f"{setting} of plugin circuit-breaker is") as raised:
        CircuitBreaker(**{setting: value})

    assert shown(value[0] if isinstance(value, (list, tuple)) else value) in str(raised.value)


def test_the_name_of_an_exception_is_refused_with_the_word_on_its_quotes():
    with pytest.raises(ConfigurationError, match="without quotes"):
        CircuitBreaker(open_on=["ValueError"])


def test_a_record_that_was_never_handed_over_met_no_outage():
    breaker = CircuitBreaker(open_on=[ValueError])
    breaker.on_throttle(SimpleNamespace(), settings())

    assert isinstance(breaker.on_error(ValueError(), context()), Retry)
    assert breaker.on_error(ValueError(), context()._replace(stage="prepare")) is None, "it fails whatever is up"


@pytest.mark.parametrize("is_async", [False, True])
def test_a_handler_that_misses_its_deadline_opens_the_circuit(is_async):
    app, states, go_on = App(3), [], threading.Event()

    def note():
        states.append(dict(parallel.statistics().throttled))

    def handle(record):
        if not states:
            states.append("hangs")
            go_on.wait(30)
        note()
        app.handled.append(record.offset)

    async def handle_async(record):
        if not states:
            states.append("hangs")
            await asyncio.sleep(30)
        note()
        app.handled.append(record.offset)

    class Witness:
        @hookimpl
        def on_backpressure(self, event):
            if event.paused:
                states.append(set(event.paused.values()))
                go_on.set()

    breaker = ("circuit-breaker", {"open_on": [HandlerTimeout], "probe_after_ms": 2000})
    parallel = app.parallel(workers=1, handler_timeout_ms=60, plugins=[Witness(), breaker])
    parallel.run(handle_async if is_async else handle)

    assert states[:2] == ["hangs", {"circuit-breaker"}]
    assert sorted(set(app.handled)) == [0, 1, 2]
    assert app.committed == 3


def test_a_handler_that_returns_after_its_deadline_is_one_failure_and_no_success():
    clock, bounds = Clock(), []
    breaker = CircuitBreaker(failure_ratio=0.5, window=4)
    throttle = SimpleNamespace(limit=lambda most, delay_ms=0: bounds.append(most))
    breaker.on_throttle(throttle, settings(clock=clock))

    for offset in range(4):
        place = context(offset=offset)
        watch = breaker.on_record(place)
        next(watch)
        breaker.on_error(HandlerTimeout("too long"), place)
        if offset % 2:
            with pytest.raises(ValueError, match="late"):
                watch.throw(ValueError("late"))
        else:
            with pytest.raises(StopIteration):
                watch.send(None)
        assert bool(bounds) is (offset == 3), "four failures of four, not four of eight"

    assert not breaker._running


class Outage:
    """A service that is down for the next so many calls, and a plugin that writes down its calls."""

    def __init__(self, calls):
        self.left, self.attempts, self.events = calls, [], []
        self.lock = threading.Lock()

    def handle(self, record):
        with self.lock:
            self.attempts.append(record.offset)
            if self.left:
                self.left -= 1
                raise ConnectionError("down")

    @hookimpl
    def on_backpressure(self, event):
        self.events.append((dict(event.paused), set(event.resumed)))


def test_records_that_meet_an_outage_wait_for_its_end_and_none_is_lost():
    app, outage = App(40), Outage(calls=3)
    breaker = ("circuit-breaker", {"open_on": [ConnectionError], "probe_after_ms": 30})

    assert app.run(outage.handle, plugins=[outage, breaker]) is None

    assert sorted(app.handled) == list(range(40))
    assert outage.attempts[:4] == [0, 0, 0, 0], "one probe at a time, the oldest record first"
    assert app.committed == 40


def test_it_says_so_in_back_pressure_and_statistics():
    app, outage, seen = App(40), Outage(calls=1), []
    parallel = app.parallel(
        plugins=[outage, ("circuit-breaker", {"open_on": [ConnectionError], "probe_after_ms": 400})], workers=1
    )
    opened = threading.Event()

    class Watch:
        @hookimpl
        def on_backpressure(self, event):
            if event.paused:
                seen.append(parallel.statistics())
                opened.set()

    parallel._plugins._register(Watch(), "watch", "test")
    parallel.start(outage.handle)
    assert opened.wait(30)
    assert parallel.join(timeout_ms=60_000)

    assert [list(paused.values()) for paused, _ in outage.events] == [["circuit-breaker"], []]
    assert [len(resumed) for _, resumed in outage.events] == [0, 1]
    assert seen[0].throttled == {"circuit-breaker": 0}
    assert len(seen[0].paused) == 1
    assert parallel.statistics().throttled == {}


def test_a_bad_record_as_the_probe_is_left_to_the_other_plugins():
    app = App(6)

    def fail_first(record):
        if record.offset == 0:
            raise ValueError

    class SkipAfterThree:
        @hookimpl
        def on_error(self, context):
            from kafka_parallel import Retry, Skip

            return Skip("enough") if context.attempt == 3 else Retry(1)

    breaker = ("circuit-breaker", {"failure_ratio": 0, "window": 1, "probe_after_ms": 20})
    assert app.run(fail_first, plugins=[SkipAfterThree(), breaker]) is None
    assert app.handled == [1, 2, 3, 4, 5]
    assert app.committed == 6


@pytest.mark.parametrize("probes", [1, 2])
def test_probes_start_beside_handlers_that_began_before_the_circuit_opened(probes):
    """The kind: a bound that counts running records, where new starts are meant."""
    app, go_on, started, lock = App(0), threading.Event(), [], threading.Lock()
    for number in range(6):
        app.cluster.append("t", b"%d" % number, b"key %d" % number, partition=0)
    long_ones = {0, 1}

    def handle(record):
        with lock:
            started.append(record.offset)
        if record.offset in long_ones:
            assert go_on.wait(30)
        elif record.offset == 2 and started.count(2) == 1:
            raise ValueError("down")
        elif len(set(started)) == 6:
            go_on.set()

    breaker = CircuitBreaker(failure_ratio=0.0, window=1, probe_after_ms=50, probes=probes)
    parallel = app.parallel(workers=4, plugins=[Again(), breaker], consumer={"consumer_timeout_ms": 2000})
    parallel.run(handle)

    assert go_on.is_set(), "all others were handled while the long ones ran"
    assert app.committed == 6


class Again:
    @hookimpl
    def on_error(self):
        return Retry(1)


@given(st.lists(st.sampled_from(["old ends", "open", "time passes"]), max_size=20), st.integers(1, 3))
def test_the_bound_is_always_the_probes_beside_those_from_before(acts, probes):
    clock, bound = Clock(), []
    breaker = CircuitBreaker(failure_ratio=0.0, window=1, probe_after_ms=1000, probes=probes)
    throttle = SimpleNamespace(limit=lambda most, delay_ms=0: bound.append((most, delay_ms)))
    breaker.on_throttle(throttle, settings(clock=clock))
    old = [breaker.on_record(context(offset=offset)) for offset in range(10)]
    for watch in old:
        next(watch)
    failing = breaker.on_record(context(offset=99))
    next(failing)
    with pytest.raises(ValueError, match="down"):
        failing.throw(ValueError("down"))

    for act in acts:
        if act == "time passes":
            clock.now += 0.4
        elif old:
            with pytest.raises(StopIteration):
                old.pop().send(None)
        assert bound[-1][0] == probes + len(old)
