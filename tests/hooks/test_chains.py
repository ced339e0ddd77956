"""A composed chain has the same effect as pluggy's own call."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress

import pluggy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_parallel import Skip, hookimpl, hookspecs
from kafka_parallel._plugins.chains import Observers, call_each, surround, surround_async, surround_steps
from kafka_parallel._plugins.plugin_errors import PluginErrors

NAMES = ("record", "context")


def manager(*plugins):
    found = pluggy.PluginManager("kafka_parallel")
    found.add_hookspecs(hookspecs)
    for number, plugin in enumerate(plugins):
        found.register(plugin, f"plugin-{number}")
    return found


def plugin(kind, number, log):
    class Wrapper:
        @hookimpl(wrapper=True)
        def on_record(self, record, context):
            log.append(("in", number))
            try:
                result = yield
            except ValueError as error:
                log.append(("error", number, str(error)))
                if kind == "rescue":
                    return f"rescued by {number}"
                raise
            log.append(("out", number))
            return f"{result}+{number}" if kind == "change" else result

    class Answer:
        @hookimpl
        def on_record(self, record):
            log.append(("asked", number))
            if kind == "raise":
                raise ValueError(f"from {number}")
            return Skip(f"answer of {number}") if kind == "answer" else None

    return Answer() if kind in ("answer", "pass", "raise") else Wrapper()


@given(st.lists(st.sampled_from(["change", "look", "rescue", "answer", "pass", "raise"]), max_size=5), st.booleans())
def test_it_equals_pluggy(kinds, fails):
    def handler(record, log):
        log.append("handler")
        if fails:
            raise ValueError("handler")
        return "handled"

    def outcome(call):
        try:
            return call()
        except ValueError as error:
            return f"raised {error}"

    async def coroutine(record):
        await asyncio.sleep(0)
        return handler(record, ours_async)

    ours, ours_async, theirs, in_steps = [], [], [], []
    found = manager(*[plugin(kind, number, in_steps) for number, kind in enumerate(kinds)]).hook.on_record
    composed = surround(
        manager(*[plugin(kind, number, ours) for number, kind in enumerate(kinds)]).hook.on_record,
        lambda record, context: handler(record, ours),
        NAMES,
    )
    composed_async = surround_async(
        manager(*[plugin(kind, number, ours_async) for number, kind in enumerate(kinds)]).hook.on_record,
        lambda record, context: coroutine(record),
        NAMES,
    )

    class Handler:
        @hookimpl(trylast=True)
        def on_record(self, record):
            return handler(record, theirs)

    reference = manager(Handler(), *[plugin(kind, number, theirs) for number, kind in enumerate(kinds)])

    expected = outcome(lambda: reference.hook.on_record(record=1, context=2))
    assert outcome(lambda: composed(1, 2)) == expected
    assert outcome(lambda: asyncio.run(composed_async(1, 2))) == expected
    assert outcome(lambda: call_in_steps(found, lambda: handler(1, in_steps))) == expected
    assert ours == ours_async == theirs == in_steps


def call_in_steps(hook, handler):
    """Call *handler* between entering and leaving, as batches and commits do."""
    surrounded = surround_steps(hook, NAMES)
    steps = surrounded(1, 2) if surrounded else None
    if steps is None:
        return handler()
    if not steps.enter():
        return steps.result
    try:
        result = handler()
    except Exception as error:
        return steps.leave(None, error)
    return steps.leave(result)


@pytest.mark.parametrize("levels", [0, 1, 3])
@pytest.mark.parametrize(
    "call", [lambda hook, handler: surround(hook, lambda *_: handler(), NAMES)(1, 2), call_in_steps]
)
@pytest.mark.parametrize("is_old", [False, True])
def test_a_stop_iteration_stays_one_on_its_way_through_wrappers(call, levels, is_old):
    """Python makes a RuntimeError of it wherever a generator lets it out."""
    seen = []

    class Looks:
        @hookimpl(wrapper=not is_old, hookwrapper=is_old)
        def on_record(self):
            try:
                answer = yield
                seen.append(type(answer.exception) if is_old else None)
            except BaseException as error:
                seen.append(type(error))
                raise
            return answer

    class Answers:
        @hookimpl
        def on_record(self):
            """Lets the handler have it."""

    with pytest.raises(StopIteration):
        call(manager(Answers(), *[Looks() for _ in range(levels)]).hook.on_record, lambda: next(iter(())))

    assert seen == [StopIteration] * levels


def test_without_plugins_the_chain_is_the_handler():
    def handler(record, context):
        """Nothing around it."""

    assert surround(manager().hook.on_record, handler, NAMES) is handler


@pytest.mark.parametrize(("yields", "said"), [(0, "did not yield"), (2, "yielded twice")])
def test_a_wrapper_must_yield_exactly_once(yields, said):
    class Wrong:
        @hookimpl(wrapper=True)
        def on_record(self):
            for _ in range(yields):
                yield

    chain = surround(manager(Wrong()).hook.on_record, lambda record, context: None, NAMES)

    with pytest.raises(RuntimeError, match=f"'plugin-0' in on_record {said}"):
        chain(1, 2)


def test_an_observer_that_raises_hears_no_more_of_that_hook(caplog):
    heard = []

    class Raises:
        @hookimpl
        def on_stop(self, error):
            heard.append("raises")
            raise RuntimeError("no")

    class Hears:
        @hookimpl
        def on_stop(self):
            heard.append("hears")

    observers = Observers(manager(Hears(), Raises()).hook.on_stop, PluginErrors())

    with caplog.at_level(logging.ERROR):
        observers.notify(settings=None, error=None)
        observers.notify(settings=None, error=None)

    assert heard == ["raises", "hears", "hears"]
    assert "plugin 'plugin-1' failed in on_stop and will not be called for it again" in caplog.text


def test_one_that_raises_on_two_threads_at_once_is_logged_on_both_and_stops_neither(caplog):
    together, told = threading.Barrier(2), []

    class Raises:
        @hookimpl
        def on_handled(self):
            together.wait(10)
            raise RuntimeError("no")

    observers = Observers(manager(Raises()).hook.on_handled, PluginErrors())

    def tell():
        observers.notify(handled=[], settings=None)
        told.append(True)

    threads = [threading.Thread(target=tell) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert told == [True, True]
    observers.notify(handled=[], settings=None)


# Errors of plugins


class Own:
    """Raises before or after the handler, or makes another error of the handler's."""

    def __init__(self, moment):
        self._moment = moment

    @hookimpl(wrapper=True)
    def on_record(self, record):
        if self._moment == "before":
            raise ValueError("own")
        try:
            result = yield
        except LookupError as error:
            if self._moment == "instead":
                raise ValueError("own") from error
            raise
        if self._moment == "after":
            raise ValueError("own")
        return result


class AnswersBadly:
    def __init__(self, answer):
        self._answer = answer

    @hookimpl
    def on_record(self, record):
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def called(hook, errors, way, inside):
    """Call *inside* within the implementations of *hook*, in one of the ways in which they are called."""
    if way == "plain":
        return surround(hook, inside, NAMES, errors)("record", "context")
    if way == "async":

        async def inside_async(*args):
            return inside(*args)

        return asyncio.run(surround_async(hook, inside_async, NAMES, errors)("record", "context"))
    steps = surround_steps(hook, NAMES, errors)("record", "context")
    if not steps.enter():
        return steps.result
    try:
        result = inside("record", "context")
    except LookupError as error:
        return steps.leave(None, error)
    return steps.leave(result)


def fails(*_):
    raise LookupError("the handler's")


@pytest.mark.parametrize("way", ["plain", "async", "steps"])
@pytest.mark.parametrize(
    ("plugin_", "inside", "count"),
    [
        (Own("before"), print, 1),
        (Own("after"), print, 1),
        (Own("instead"), fails, 1),
        (Own("never"), fails, 0),
        (Own("never"), print, 0),
        (AnswersBadly(ValueError("own")), print, 1),
        (AnswersBadly("no answer"), print, 1),
        (AnswersBadly(None), fails, 0),
    ],
    ids=["before", "after", "another", "lets through", "no error", "raises", "a bad answer", "no answer"],
)
def test_the_own_errors_of_a_plugin_are_counted_and_those_it_lets_through_are_not(way, plugin_, inside, count):
    errors = PluginErrors()
    with suppress(Exception):
        called(manager(plugin_).hook.on_record, errors, way, inside)

    assert errors.counts == ({("plugin-0", "on_record"): count} if count else {})


def test_a_start_that_a_plugin_refuses_is_counted():
    class Refuses:
        @hookimpl
        def on_start(self, settings):
            raise ValueError("own")

    errors = PluginErrors()
    with pytest.raises(ValueError, match="own"):
        call_each(manager(Refuses()).hook.on_start, errors, lambda _: {"settings": None})

    assert errors.counts == {("plugin-0", "on_start"): 1}
