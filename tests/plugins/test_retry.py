"""The retries of the plugin ``retry``, and a consumer's use of it."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kafka_parallel import ConfigurationError, RecordFailed, Retry, Skip, StateError, hookimpl
from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._core.task import Task
from kafka_parallel._runtime.handlers.record_attempt import Attempts
from kafka_parallel._runtime.loop.locked_scheduler import LockedScheduler
from kafka_parallel._runtime.loop.plugin_throttle import PluginThrottle
from kafka_parallel._showing import shown
from kafka_parallel.testing.fake.clock import ManualClock
from kafka_parallel_plugins.retry import RetryWithBackoff
from tests.plugins.test_dlq import Clock, context, settings
from tests.runtime.app import App


def started(clock=None, **options):
    plugin = RetryWithBackoff(**options)
    plugin.on_start(settings(clock=clock or Clock()))
    return plugin


def failed(attempt=1, stage="handle", failing_since=100.0):
    return context()._replace(attempt=attempt, stage=stage, failing_since=failing_since)


def waits(plugin, attempts):
    return [plugin.on_error(ValueError(), failed(attempt)) for attempt in range(1, attempts + 1)]


def test_waits_grow_up_to_a_bound_and_end_with_the_attempts():
    plugin = started(max_attempts=6, delay_ms=100, multiplier=3, max_delay_ms=1000, jitter=0)

    assert waits(plugin, 6) == [Retry(100), Retry(300), Retry(900), Retry(1000), Retry(1000), None]


def test_chance_only_shortens_a_wait():
    chance = iter([0.0, 0.5, 0.999])
    plugin = started(delay_ms=100, multiplier=1, jitter=0.4, chance=lambda: next(chance))

    assert [wait.delay_ms for wait in waits(plugin, 3)] == pytest.approx([100, 80, 60.04])


@given(
    st.integers(1, 10_000),
    st.floats(0, 1e9),
    st.floats(1, 1e6),
    st.floats(0, 1e9),
    st.floats(0, 1),
    st.floats(0, 1, exclude_max=True),
)
def test_every_wait_is_within_its_bounds(attempt, delay, multiplier, more, jitter, luck):
    bounds = {"delay_ms": delay, "max_delay_ms": delay + more, "multiplier": multiplier, "jitter": jitter}
    plugin = started(max_attempts=10_001, chance=lambda: luck, **bounds)

    answer = plugin.on_error(ValueError(), failed(attempt))

    assert delay * (1 - jitter) * 0.999 <= answer.delay_ms <= delay + more


def test_the_time_from_the_first_failure_is_bounded():
    clock = Clock()
    plugin = started(clock, delay_ms=1000, multiplier=1, jitter=0, max_elapsed_ms=5000)

    clock.now = 104.0
    assert plugin.on_error(ValueError(), failed(2)) == Retry(1000)
    clock.now = 104.1
    assert plugin.on_error(ValueError(), failed(2)) is None, "the next attempt would begin after 5.1 s"


@pytest.mark.parametrize("error", [TypeError(), AttributeError(), NameError(), ImportError(), NotImplementedError()])
def test_a_programming_error_is_not_tried_again(error):
    assert started().on_error(error, failed()) is None


def test_a_record_that_was_never_handed_over_is_not_tried_again():
    assert started().on_error(ValueError(), failed(stage="prepare")) is None


def test_the_user_says_which_errors_are_tried_again():
    plugin = started(retry_on=[OSError], never_retry=(FileNotFoundError,), jitter=0)

    assert plugin.on_error(TimeoutError(), failed()) == Retry(200)
    assert plugin.on_error(FileNotFoundError(), failed()) is None
    assert plugin.on_error(ValueError(), failed()) is None
    assert started(retry_on=OSError, never_retry=(), jitter=0).on_error(OSError(), failed()) == Retry(200)
    assert started(never_retry=(), jitter=0).on_error(TypeError(), failed()) == Retry(200)


@pytest.mark.parametrize(("workers", "share", "bound"), [(16, 0.5, 8), (16, 0.1, 1), (1, 0.5, 1), (3, 1, 3)])
def test_retries_may_occupy_a_share_of_the_workers(workers, share, bound):
    bounds = []
    throttle = SimpleNamespace(limit_retries=bounds.append)

    RetryWithBackoff(max_share=share).on_throttle(throttle, SimpleNamespace(workers=workers))

    assert bounds == [bound]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("max_attempts", 0), ("max_attempts", -1), ("max_attempts", 1.5), ("max_attempts", True),
        ("delay_ms", -1), ("delay_ms", float("nan")), ("delay_ms", float("inf")), ("delay_ms", "1"),
        ("multiplier", 0.5), ("max_delay_ms", 10), ("max_delay_ms", float("inf")), ("jitter", -0.1), ("jitter", 1.1),
        ("max_elapsed_ms", -1), ("max_share", 0), ("max_share", 1.5), ("retry_on", [int]), ("retry_on", "ValueError"),
        ("never_retry", [KeyboardInterrupt]), ("never_retry", [ValueError()]),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_work_is_refused_at_once(setting, value):
    named = shown(value[0] if isinstance(value, list) else value)

    with pytest.raises(ConfigurationError, match=f"{setting} of plugin retry is") as raised:
        RetryWithBackoff(**{setting: value})

    assert named in str(raised.value)


def test_the_name_of_an_exception_is_refused_with_the_word_on_its_quotes():
    with pytest.raises(ConfigurationError, match="without quotes"):
        RetryWithBackoff(never_retry=["ValueError"])


def test_it_must_have_been_started():
    with pytest.raises(StateError, match="before on_start"):
        RetryWithBackoff().on_error(ValueError(), failed())


class TestInAConsumer:
    def test_attempts_are_counted_exactly_and_the_first_failure_is_remembered(self):
        app, seen = App(3), []

        class Witness:
            @hookimpl(wrapper=True)
            def on_record(self, context):
                seen.append((context.raw.offset, context.attempt, context.first_failed_at_ms))
                return (yield)

        def fail_twice(record):
            if sum(offset == record.offset for offset, *_ in seen) < 3:
                raise ValueError(record.offset)

        assert app.run(fail_twice, plugins=[Witness(), ("retry", {"delay_ms": 1})]) is None
        assert app.handled == [0, 1, 2]
        assert app.committed == 3
        for offset in range(3):
            attempts = [(attempt, failed_at) for place, attempt, failed_at in seen if place == offset]
            assert [attempt for attempt, _ in attempts] == [1, 2, 3]
            assert attempts[0][1] is None
            assert attempts[1][1] == attempts[2][1] > 1e9

    def test_used_up_attempts_stop_the_consumer_if_nobody_else_decides(self):
        app = App()

        error = app.run(lambda record: 1 / record.offset, plugins=[("retry", {"delay_ms": 1, "max_attempts": 3})])

        assert isinstance(error, RecordFailed)
        assert isinstance(error.__cause__, ZeroDivisionError)
        assert app.committed == 0

    def test_a_handler_that_holds_a_key_back_for_hours_does_not_hold_up_the_stop(self):
        app, failed = App(), threading.Event()

        def fail(record):
            failed.set()
            raise ValueError

        parallel = app.parallel(plugins=[("retry", {"delay_ms": 36_000_000, "max_delay_ms": 36_000_000})])
        parallel.start(fail)
        assert failed.wait(30)
        parallel.stop(timeout_ms=100_000)

        assert parallel.join(timeout_ms=60_000), "it waits for a retry that cannot come in time"
        assert app.committed == 0


@pytest.mark.parametrize("chance", [0.0, 0.5, 1 - 1e-9])
def test_the_defaults_outlast_an_outage_of_a_minute(chance):
    """The kind: defaults that give good records up. A restart of a database takes a minute."""
    clock = ManualClock()
    plugin = RetryWithBackoff(chance=lambda: chance)
    plugin.on_start(SimpleNamespace(clock=clock.monotonic, workers=4, group_id="g"))
    attempt, since, last = 1, clock.monotonic(), 0.0
    while True:
        last = clock.monotonic() - since
        answer = plugin.on_error(ConnectionError("down"), failed(attempt=attempt, failing_since=since))
        if answer is None:
            break
        clock.advance(answer.delay_ms / 1000)
        attempt += 1

    assert 64 <= last <= 86, "as in the docs and the docstring"
    assert attempt == 12


def test_no_record_is_lost_to_dead_letters_by_an_outage_of_a_minute():
    """The same with the consumer's own queue: 300 records of 30 keys, on a clock that the test moves."""
    clock, dead, done = ManualClock(), [], set()
    plugin = RetryWithBackoff()
    plugin.on_start(SimpleNamespace(clock=clock.monotonic, workers=8, group_id="g"))

    def handle(record):
        if clock.monotonic() < 60:
            raise ConnectionError("down")
        done.add(record.offset)

    def decide(record, error, context):
        return plugin.on_error(error, context) or dead.append(record.offset) or Skip("a dead letter")

    attempts = Attempts(handle, None, decide, None, clock)
    queue = LockedScheduler(BufferLimits(1000, 1_000_000, 1000), commits=CommitRules(), attempt=attempts, clock=clock)
    PluginThrottle("retry", queue.change_throttles).limit_retries(4)
    queue.assign(["p"], {}, {})
    queue.learn_positions({"p": 0})
    records = [SimpleNamespace(topic="t", partition=0, offset=offset) for offset in range(300)]
    queue.feed({"p": [Task(record, record.offset, record.offset % 30, 1, 0.0) for record in records]}, {})
    while len(done) + len(dead) < 300 and clock.monotonic() < 600:
        chunk = queue.next_chunk_nowait(1)
        if chunk is None:
            clock.advance(0.05)
            continue
        for task in chunk:
            queue.run(chunk, task)
        queue.finish(chunk)

    assert dead == []
    assert len(done) == 300
