"""The parts that a call of the handler needs, and no others."""

from __future__ import annotations

import pickle
from functools import partial
from types import SimpleNamespace

import pytest

from kafka_parallel import ConfigurationError, hookimpl
from kafka_parallel._core.assignment import Assignment
from kafka_parallel._core.task import Task
from kafka_parallel._plugins.hooks import Hooks
from kafka_parallel._plugins.manager import Plugins
from kafka_parallel._runtime.handlers.coroutine_attempt import ObservedCoroutineAttempts
from kafka_parallel._runtime.handlers.handler_calls import HandlerCalls
from kafka_parallel._runtime.handlers.originals import Originals
from kafka_parallel._runtime.handlers.record_attempt import ObservedAttempts
from kafka_parallel.testing.fake.clock import ManualClock

HERE = SimpleNamespace()


class Elsewhere:
    """An executor whose handlers run where they cannot be called from here.

    :ivar sent: what was sent there.
    """

    def __init__(self):
        self.sent = []

    def bind(self, program):
        pass

    def call(self, sent):
        self.sent.append(sent)


class Surrounding:
    """Notes the records that pass it."""

    def __init__(self):
        self.passed = []

    @hookimpl(wrapper=True)
    def on_record(self, record):
        self.passed.append(record)
        return (yield)


class Listening:
    @hookimpl
    def on_handled(self, handled):
        pass


def handle(record):
    """A handler that can be sent elsewhere."""


async def handle_async(record):
    """One that cannot be called on a thread."""


def calls_of(
    handler=handle, *plugins, executor=HERE, timeout_ms=None, is_batch=False, deserialize=None, raw=True, see=None
):
    names = ("key_deserializer", "value_deserializer")
    client = SimpleNamespace(deserialize=deserialize, has_raw_bytes=raw, deserializers=dict.fromkeys(names))
    settings = SimpleNamespace(handler_timeout_ms=timeout_ms)
    hooks = Hooks(Plugins(list(plugins), {"KAFKA_PARALLEL_DISABLE_PLUGIN_AUTOLOAD": "1"}), settings)
    originals = Originals() if see is None else Originals({"orders-retry"}, see)
    return HandlerCalls(handler, executor, client, hooks, settings, ManualClock(), originals, {}, is_batch=is_batch)


def task_of(record):
    task = Task(record, 0, None, 1, 0.0)
    task.assignment = Assignment("p", 1, "p", {})
    return task


@pytest.mark.parametrize(
    ("handler", "executor", "timeout_ms", "expected"),
    [
        (handle, HERE, 50, True),
        (handle, HERE, None, False),
        (handle_async, HERE, 50, False),
        (handle, Elsewhere(), 50, False),
    ],
    ids=["plain", "no limit", "a coroutine can be cancelled", "a process can be ended"],
)
def test_a_deadline_is_watched_where_nothing_else_can_stop_the_handler(handler, executor, timeout_ms, expected):
    calls = calls_of(handler, executor=executor, timeout_ms=timeout_ms)

    assert (calls.deadlines is not None) is expected


@pytest.mark.parametrize("handler", [handle, handle_async])
def test_nothing_is_measured_that_no_plugin_hears(handler):
    calls = calls_of(handler)

    assert calls.handled_log is None
    assert not isinstance(calls.attempt, ObservedAttempts)


def test_attempts_are_measured_if_a_plugin_hears_of_them():
    calls = calls_of(handle, Listening())

    assert isinstance(calls.attempt, ObservedAttempts)
    calls.attempt(task_of("record"))
    assert len(calls.handled_log._ended) == 1


def test_the_handler_is_called_directly_if_no_plugin_surrounds_it():
    calls = calls_of()

    assert not calls.attempt.is_surrounded


def test_the_handler_is_inside_of_the_wrappers():
    seen, plugin = [], Surrounding()
    calls = calls_of(seen.append, plugin, deserialize=str.upper)

    assert calls.attempt(task_of("record")) is None

    assert (seen, plugin.passed) == (["RECORD"], ["RECORD"])


def test_inside_of_the_wrappers_the_raw_record_is_sent_elsewhere():
    executor, plugin = Elsewhere(), Surrounding()
    calls = calls_of(handle, plugin, executor=executor, deserialize=str.upper)

    assert calls.attempt(task_of("record")) is None

    assert (executor.sent, plugin.passed) == (["record"], ["RECORD"])


def test_a_record_of_a_retry_topic_is_sent_as_it_was_first():
    executor = Elsewhere()
    record, first = SimpleNamespace(topic="orders-retry", _replace=lambda: record), "first"
    calls = calls_of(handle, Surrounding(), executor=executor, see=lambda _: first, deserialize=str.upper)

    calls.attempt(task_of(record))

    assert executor.sent == ["first"]


# Batches


def test_records_run_one_by_one_without_a_batch():
    assert calls_of().attempt_batch is None


def test_a_batch_is_not_surrounded_record_by_record():
    calls = calls_of(handle, Surrounding(), is_batch=True)

    assert not calls.attempt.is_surrounded


def batch_of(*records):
    return SimpleNamespace(tasks=[task_of(record) for record in records])


def test_a_batch_is_handed_over_as_a_list():
    seen = []
    calls = calls_of(seen.append, is_batch=True, deserialize=str.upper)

    assert calls.attempt_batch(batch_of("a", "b")) is None
    assert seen == [["A", "B"]]


def test_a_batch_is_sent_elsewhere_as_raw_records():
    executor = Elsewhere()
    calls = calls_of(handle, executor=executor, is_batch=True, deserialize=str.upper)

    calls.attempt_batch(batch_of("a", "b"))

    assert executor.sent == [["a", "b"]]


def test_every_record_of_a_batch_passes_the_wrappers():
    plugin = Surrounding()

    calls_of(handle, plugin, is_batch=True).attempt_batch(batch_of("a", "b"))

    assert plugin.passed == ["a", "b"]


# Coroutines


def test_a_plain_handler_needs_nothing_of_an_event_loop():
    assert calls_of().coroutines is None


@pytest.mark.parametrize("is_batch", [False, True])
def test_a_coroutine_function_is_run_by_coroutines(is_batch):
    work = calls_of(handle_async, is_batch=is_batch).coroutines

    assert (work._batches is not None) is is_batch


def test_coroutines_are_measured_too_if_a_plugin_hears_of_them():
    assert isinstance(calls_of(handle_async, Listening()).coroutines._attempts, ObservedCoroutineAttempts)


# The program that is sent elsewhere


@pytest.mark.parametrize(
    ("plugins", "is_batch", "expected"),
    [((), False, (False, False, False)), ((Surrounding(), Listening()), True, (True, True, True))],
)
def test_the_program_says_how_it_is_to_be_run(plugins, is_batch, expected):
    program = calls_of(handle, *plugins, executor=Elsewhere(), is_batch=is_batch).program

    assert (program.is_surrounded, program.is_batch, program.is_timed) == expected
    assert program.name == "the handler 'handle'"
    assert pickle.loads(program.payload)


@pytest.mark.parametrize(
    ("handler", "raw", "reason"),
    [
        (lambda record: None, True, "cannot be sent to another process"),
        (partial(print), False, "lazy_deserialization=False makes objects of the records"),
    ],
)
def test_a_program_that_cannot_be_sent_is_refused(handler, raw, reason):
    with pytest.raises(ConfigurationError, match=reason):
        calls_of(handler, executor=Elsewhere(), raw=raw).program  # noqa: B018 - it is made here


class Unstoppable(Elsewhere):
    """One that cannot end a handler that runs."""

    cannot_stop_handlers = True


@pytest.mark.parametrize(("executor", "timeout_ms", "is_watched"), [
    (Unstoppable(), 100, True),
    (Unstoppable(), None, False),
    (Elsewhere(), 100, False),
])  # fmt: skip
def test_the_deadlines_of_an_executor_that_cannot_end_handlers_are_watched_here(executor, timeout_ms, is_watched):
    calls = calls_of(executor=executor, timeout_ms=timeout_ms)

    assert (calls.deadlines is not None) == is_watched
    assert calls.program.is_surrounded == is_watched


def test_a_handler_elsewhere_is_overdue_by_the_clock_of_the_run():
    executor = Unstoppable()
    calls = calls_of(executor=executor, timeout_ms=100)
    overdue = []
    executor.call = lambda sent: overdue.append([len(calls.deadlines.overdue(now)) for now in (0.09, 0.11)])

    calls.attempt(task_of(SimpleNamespace(offset=1)))

    assert overdue == [[0, 1]]
