"""Scopes that a plugin provides are entered for each attempt, in the context of its handler, and left after it."""

from __future__ import annotations

import asyncio
import contextvars
from types import SimpleNamespace

import pytest

from kafka_parallel import Batch, PluginError, Retry, Skip, hookimpl
from tests.runtime.app import TOPIC, App

CURRENT = contextvars.ContextVar("current", default=None)
KINDS = pytest.mark.parametrize(
    ("executor", "options"),
    [("thread-pool", {}), ("asyncio", {}), ("asyncio", {"handler_timeout_ms": 30_000})],
    ids=["thread-pool", "asyncio", "asyncio-timeout"],
)


class Scopes:
    """Notes each scope that is entered and left, and what is current then."""

    def __init__(self, *, leaves=True):
        self.entered, self.left, self.leaves = [], [], leaves

    @hookimpl
    def provide_attempt_scope(self):
        return self.enter

    def enter(self, raw, attempt, queued_at, assignment):
        assert CURRENT.get() is None
        CURRENT.set((raw.offset, attempt))
        assert raw.topic == TOPIC
        assert queued_at >= 0
        assert assignment.live
        self.entered.append((raw.offset, attempt))
        return self.leave if self.leaves else None

    def leave(self, error):
        self.left.append((*CURRENT.get(), type(error)))


class Again:
    @hookimpl
    def on_error(self, context):
        return Retry(0) if context.attempt == 1 else Skip("twice is enough")


class Around:
    """Notes what is current where wrappers of on_record are entered and left."""

    def __init__(self):
        self.seen = []

    @hookimpl(wrapper=True, tryfirst=True)
    def on_record(self):
        before = CURRENT.get()
        try:
            return (yield)
        finally:
            self.seen.append((before, CURRENT.get()))


def run(app, act, executor, **options):
    async def act_async(record):
        await asyncio.sleep(0)
        act(record)

    return app.run_coroutine(act_async if executor == "asyncio" else act, **options)


@KINDS
@pytest.mark.parametrize("around", [(), (Around,)], ids=["alone", "wrapped"])
def test_the_handler_runs_in_the_scope_of_its_attempt(executor, options, around):
    seen, scopes, around = [], Scopes(), [wrapper() for wrapper in around]

    def act(record):
        seen.append(CURRENT.get())
        if record.offset == 1:
            raise ValueError

    assert run(App(3), act, executor, plugins=[scopes, Again(), *around], workers=1, **options) is None

    attempts = [(0, 1), (1, 1), (1, 2), (2, 1)]
    assert sorted(seen) == sorted(scopes.entered) == attempts
    errors = {1: ValueError}
    assert sorted(scopes.left, key=str) == [(*attempt, errors.get(attempt[0], type(None))) for attempt in attempts]
    for wrapper in around:
        assert sorted(wrapper.seen) == [(attempt, attempt) for attempt in attempts]


@KINDS
def test_a_scope_that_is_not_left_sets_variables_for_its_attempt_alone(executor, options):
    seen = []

    assert (
        run(App(5), lambda _: seen.append(CURRENT.get()), executor, plugins=[Scopes(leaves=False)], **options) is None
    )

    assert sorted(seen) == [(offset, 1) for offset in range(5)]
    assert CURRENT.get() is None


@KINDS
def test_a_scope_that_raises_fails_the_record_as_a_wrapper_does(executor, options):
    class Broken(Scopes):
        def enter(self, raw, attempt, *_):
            if raw.offset == 1:
                raise LookupError("no scope")

    handled, app = [], App(3)

    assert (
        run(app, lambda record: handled.append(record.offset), executor, plugins=[Broken(), Again()], **options) is None
    )

    assert sorted(handled) == [0, 2]
    assert app.committed == 3


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_each_record_of_a_batch_has_a_scope_if_wrappers_can_see_it(kind):
    scopes, around = Scopes(), Around()

    async def handle_async(records):
        pass

    handler = handle_async if kind == "coroutine" else lambda records: None
    App(3).parallel(plugins=[scopes, around]).run(handler, batch=Batch(max_records=3))

    attempts = [(offset, 1) for offset in range(3)]
    assert sorted(scopes.entered) == attempts
    assert sorted(scopes.left) == [(*attempt, type(None)) for attempt in attempts]
    assert sorted(around.seen) == [(attempt, attempt) for attempt in attempts]


def test_the_scope_of_a_record_of_a_batch_is_left_when_a_plugin_answers_or_raises():
    class Keeps(Around):
        @hookimpl
        def on_record(self, record):
            if record.offset == 0:
                return Skip("kept")
            if record.offset == 1:
                raise LookupError("kept out")
            return None

    scopes = Scopes()

    plugins = [scopes, Keeps(), SimpleNamespace(on_error=skip)]
    App(3).parallel(plugins=plugins, ordering="unordered").run(lambda records: None, batch=Batch(max_records=3))

    assert sorted(scopes.left) == [(0, 1, type(None)), (1, 1, LookupError), (2, 1, type(None))]


@hookimpl
def skip():
    return Skip("it does not matter here")


@pytest.mark.parametrize("wrong", [7, "name"])
def test_a_scope_that_is_no_function_is_refused_at_the_start(wrong):
    plugin = SimpleNamespace(provide_attempt_scope=hookimpl(lambda: wrong))

    with pytest.raises(PluginError, match=r"provided the attempt scope .*: it must be a plain function"):
        App(1).parallel(plugins=[plugin]).run(lambda _: None)


def test_a_coroutine_function_is_no_scope():
    async def enter(*_):
        """Do nothing."""

    plugin = SimpleNamespace(provide_attempt_scope=hookimpl(lambda: enter))

    with pytest.raises(PluginError, match="without async and yield"):
        App(1).parallel(plugins=[plugin]).run(lambda _: None)
