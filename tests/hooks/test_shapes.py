"""Whatever shape an implementation has, it works as pluggy has it, or is refused with the line to write.

The kind: user code of which a call runs nothing (a generator, a coroutine), or that is marked and never heard.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from types import SimpleNamespace

import pluggy
import pytest

from kafka_parallel import PluginError, Skip, hookimpl
from kafka_parallel._plugins.chains import Observers, decision, surround, surround_async, surround_steps
from kafka_parallel._plugins.implementations import AWAITED
from kafka_parallel._plugins.manager import HOOKS, Plugins
from kafka_parallel._plugins.plugin_errors import PluginErrors
from tests.hooks.test_chains import NAMES, manager

WRAPPED = ["on_record", "on_batch", "on_commit", "on_error"]
OLD = hookimpl(hookwrapper=True)
BARE = {"KAFKA_PARALLEL_DISABLE_PLUGIN_AUTOLOAD": "1"}


def generator():
    yield


async def coroutine():
    """Nothing awaits it."""


async def async_generator():
    yield


def plain():
    """Does nothing."""


class Descriptor:
    """As functools.partial is from Python 3.14 on: it binds like a function."""

    def __call__(self):
        pass

    def __get__(self, instance, owner):
        return self


class Callable:
    def __call__(self):
        """Not a function."""


def load(**hooks):
    return Plugins([SimpleNamespace(**hooks)], BARE)


REFUSED = {
    "generator": (lambda: hookimpl(generator), "yields, and calling it would run nothing"),
    "async def": (lambda: hookimpl(coroutine), "is async def, and nothing awaits it"),
    "async generator": (lambda: hookimpl(async_generator), "is an async generator, which nothing iterates"),
    "wrapper that is async": (lambda: hookimpl(wrapper=True)(async_generator), "is an async generator"),
    "partial": (lambda: hookimpl(functools.partial(plain)), "is a partial: write a function"),
    "callable instance": (lambda: hookimpl(Callable()), "is a Callable: write a function"),
    "callable descriptor": (lambda: hookimpl(Descriptor()), "is a Descriptor: write a function"),
    "class": (lambda: hookimpl(type("Some", (), {})), "is a type: write a function"),
}


@pytest.fixture(autouse=True)
def _unmarked():
    """Take marks back from the functions above."""
    yield
    for function in (generator, coroutine, async_generator, plain):
        vars(function).pop("kafka_parallel_impl", None)


@pytest.mark.parametrize("shape", REFUSED)
@pytest.mark.parametrize("hook", HOOKS)
def test_what_a_call_does_not_run_is_refused(hook, shape):
    make, said = REFUSED[shape]
    if hook in AWAITED and shape == "async def":
        return  # it is awaited beside an async def handler; see below

    with pytest.raises(
        PluginError, match=rf"'SimpleNamespace' .*{hook} ({said}|is a wrapper, and there is nothing to wrap)"
    ):
        load(**{hook: make()})


@pytest.mark.parametrize("style", [{"wrapper": True}, {"hookwrapper": True}])
@pytest.mark.parametrize("hook", sorted(HOOKS.keys() - set(WRAPPED)))
def test_a_wrapper_where_there_is_nothing_to_wrap_is_refused(hook, style):
    with pytest.raises(PluginError, match=f"{hook} is a wrapper, and there is nothing to wrap: write @hookimpl alone"):
        load(**{hook: hookimpl(**style)(generator)})


@pytest.mark.parametrize("above", [True, False])
@pytest.mark.parametrize("kind", [staticmethod, classmethod])
def test_the_mark_may_stand_above_or_below_staticmethod_and_classmethod(kind, above):
    def on_stop(*_):
        heard.append(True)

    heard, made = [], hookimpl(kind(on_stop)) if above else kind(hookimpl(on_stop))
    plugins = Plugins([type("P", (), {"on_stop": made})()], BARE)

    Observers(plugins.hook.on_stop, PluginErrors()).notify(settings=None, error=None)

    assert heard == [True]


@pytest.mark.parametrize("above", [True, False])
@pytest.mark.parametrize("kind", [staticmethod, classmethod])
def test_a_generator_behind_staticmethod_and_classmethod_is_refused_too(kind, above):
    def on_stop(*_):
        yield

    made = hookimpl(kind(on_stop)) if above else kind(hookimpl(on_stop))

    with pytest.raises(PluginError, match="on_stop yields"):
        Plugins([type("P", (), {"on_stop": made})()], BARE)


def test_a_partialmethod_is_refused():
    class P:
        on_stop = hookimpl(functools.partialmethod(lambda self, x: None, 1))

    with pytest.raises(PluginError, match="on_stop is a"):
        Plugins([P()], BARE)


def test_a_private_name_with_a_specname_is_heard():
    class P:
        heard = 0

        @hookimpl(specname="on_stop")
        def _stopped(self):
            self.heard += 1

    one = P()
    Observers(Plugins([one], BARE).hook.on_stop, PluginErrors()).notify(settings=None, error=None)

    assert one.heard == 1


def test_a_property_is_not_run_to_look_for_hooks():
    class P:
        @property
        def dear(self):
            raise AssertionError("it was run")

        @hookimpl
        def on_stop(self):
            """Heard."""

    assert Plugins([P()], BARE).names() == ["P"]


def test_a_function_that_is_called_like_a_hook_and_not_marked_is_warned_about(caplog):
    class P:
        @hookimpl
        def on_stop(self):
            """Heard."""

        def on_error(self):
            """Forgotten."""

    Plugins([P()], BARE)

    assert (
        "plugin 'P' (given as an object) has a function on_error that is not marked: it is never called" in caplog.text
    )


def test_arguments_may_have_defaults_or_be_keyword_only():
    heard = []

    class P:
        @hookimpl
        def on_stop(self, error, settings=None):
            heard.append((error, settings))

        @hookimpl(specname="on_stop")
        def other(self, *, error, settings="none"):
            heard.append((error, settings))

    Observers(Plugins([P()], BARE).hook.on_stop, PluginErrors()).notify(settings=1, error=2)

    assert heard == [(2, 1), (2, 1)]


def test_a_keyword_that_the_hook_does_not_give_is_refused():
    def on_stop(*, reason):
        """Never called."""

    with pytest.raises(
        PluginError, match="on_stop needs reason, which this hook does not give: it has settings, error"
    ):
        load(on_stop=hookimpl(on_stop))


# Old-style wrappers


class Old:
    """Applies *act* to the result."""

    def __init__(self, act, log):
        self.act = act
        self.log = log

    @OLD
    def on_record(self, record):
        outcome = yield
        self.log.append((record, type(outcome.exception).__name__))
        if self.act == "result":
            outcome.force_result("forced")
        elif self.act == "exception":
            outcome.force_exception(KeyError("forced"))
        elif self.act == "get":
            outcome.get_result()
        elif self.act == "raise":
            raise LookupError


ACTS = ["look", "result", "exception", "get", "raise"]


def outcome_of(call):
    try:
        return call()
    except Exception as error:
        return type(error)


def handler(record, context=None):
    if isinstance(record, type):
        raise record
    return f"handled {record}"


async def handler_async(record, context):
    await asyncio.sleep(0)
    return handler(record)


def driven(steps):
    """Go through *steps* as batches do."""

    def run(record, context):
        going = steps(record, context)
        if not going.enter():
            return going.result
        try:
            result = handler(record)
        except Exception as error:
            return going.leave(None, error)
        return going.leave(result)

    return run


@pytest.mark.filterwarnings("ignore::pluggy.PluggyTeardownRaisedWarning")
@pytest.mark.parametrize("record", [7, ValueError])
@pytest.mark.parametrize("outer", ACTS)
@pytest.mark.parametrize("inner", ACTS)
def test_old_style_wrappers_see_and_force_what_they_do_in_pluggy(inner, outer, record):
    def chain(compose, *innermost):
        logs.append([])
        return compose(manager(Old(inner, logs[-1]), Old(outer, logs[-1])).hook.on_record, *innermost, NAMES)

    class Handler:
        @hookimpl(trylast=True)
        def on_record(self, record):
            return handler(record)

    logs, found = [[]], manager(Handler(), Old(inner, (log := [])), Old(outer, log))
    expected = outcome_of(lambda: found.hook.on_record(record=record, context=None))

    assert outcome_of(lambda: chain(surround, handler)(record, None)) == expected
    assert outcome_of(lambda: asyncio.run(chain(surround_async, handler_async)(record, None))) == expected
    assert outcome_of(lambda: driven(chain(surround_steps))(record, None)) == expected
    assert logs[1] == logs[2] == logs[3] == log


@pytest.mark.parametrize(("yields", "said"), [(0, "did not yield"), (2, "yielded twice")])
def test_an_old_style_wrapper_must_yield_once_too(yields, said):
    ended = []

    class Wrong:
        @OLD
        def on_record(self):
            try:
                for _ in range(yields):
                    yield
            finally:
                ended.append(True)

    chain = surround(manager(Wrong()).hook.on_record, handler, NAMES)

    with pytest.raises(RuntimeError, match=f"'plugin-0' in on_record {said}"):
        chain(1, 2)
    assert ended == [True]


@pytest.mark.parametrize("style", [hookimpl(wrapper=True), OLD])
def test_a_stop_iteration_stays_what_it_is_inside_of_wrappers(style):
    class Look:
        @style
        def on_record(self):
            return (yield)

    chain = surround(manager(Look()).hook.on_record, handler, NAMES)

    with pytest.raises(StopIteration):
        chain(StopIteration, None)


# Their answers


@contextlib.contextmanager
def managed():
    yield


class Later:
    def __await__(self):
        yield


def coroutine_object():
    return coroutine()


WORK = [coroutine_object, generator, async_generator, managed, Later, asyncio.Future]


@pytest.mark.parametrize("make", WORK, ids=lambda make: make.__name__)
@pytest.mark.parametrize("hook", WRAPPED)
def test_work_that_is_answered_instead_of_done_is_an_error_of_the_plugin(hook, make):
    loop = asyncio.new_event_loop()
    answer = asyncio.Future(loop=loop) if make is asyncio.Future else make()
    names = HOOKS[hook]
    found = manager(SimpleNamespace(**{hook: hookimpl(lambda: answer)}))
    chain = surround(getattr(found.hook, hook), lambda *_: None, names)
    loop.close()

    with pytest.raises(PluginError, match=f"{hook} of plugin 'plugin-0' answered .*do the work before returning"):
        chain(*names)


@pytest.mark.parametrize("answer", ["junk", 0, False, {"password": "hidden"}, Skip, object()])
@pytest.mark.parametrize("hook", WRAPPED)
def test_an_answer_that_means_nothing_is_an_error_of_the_plugin(hook, answer):
    names = HOOKS[hook]
    found = manager(SimpleNamespace(**{hook: hookimpl(lambda: answer)}))

    with pytest.raises(PluginError, match=f"{hook} of plugin 'plugin-0' answered") as caught:
        surround(getattr(found.hook, hook), lambda *_: None, names)(*names)
    assert "hidden" not in str(caught.value)


def test_an_async_answer_is_awaited_beside_a_coroutine_and_refused_elsewhere():
    async def on_record(record):
        await asyncio.sleep(0)
        return Skip("known") if record == 1 else None

    hook = manager(SimpleNamespace(on_record=hookimpl(on_record))).hook.on_record
    chain = surround_async(hook, handler_async, NAMES)

    assert asyncio.run(chain(1, None)) == Skip("known")
    assert asyncio.run(chain(2, None)) == "handled 2"
    for refused in (lambda: surround(hook, handler, NAMES), lambda: surround_steps(hook, NAMES)):
        with pytest.raises(
            PluginError, match="on_record of plugin 'plugin-0' is async def, and nothing awaits it here"
        ):
            refused()


def test_on_error_is_composed_as_pluggy_calls_it():
    class First:
        @hookimpl
        def on_error(self, error):
            return Skip("first") if error == "first" else None

    class Second:
        @hookimpl
        def on_error(self, record):
            return Skip("second") if record == "second" else None

    found = manager(First(), Second())
    decide = decision(found.hook.on_error)
    for record, error in (("second", "first"), ("other", "first"), ("other", "other")):
        expected = found.hook.on_error(record=record, error=error, context=None)
        assert decide(record=record, error=error, context=None) == expected


def test_an_observer_that_leaves_its_work_to_an_await_hears_no_more(caplog):
    calls = []

    class Lazy:
        @hookimpl
        def on_stop(self):
            calls.append(True)
            return coroutine()

    observers = Observers(manager(Lazy()).hook.on_stop, PluginErrors())
    with caplog.at_level(logging.ERROR):
        observers.notify(settings=None, error=None)
        observers.notify(settings=None, error=None)

    assert calls == [True]
    assert "on_stop of plugin 'plugin-0' answered a coroutine of 'coroutine', and nothing runs or" in caplog.text


def test_pluggy_knows_what_a_result_is():
    assert pluggy.Result(1, None).get_result() == 1  # the object sent to the old style, made as pluggy makes it
