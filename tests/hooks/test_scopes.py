"""That the scopes of an attempt are entered and left in order, whatever one of them raises."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from kafka_parallel import PluginError
from kafka_parallel._plugins.plugin_errors import PluginErrors
from kafka_parallel._plugins.scopes import compose_scopes, in_scope, in_scope_async

TASK = SimpleNamespace(record="raw", attempt=2, queued_at=3.0, assignment="ours")


def scope(name, log, raises=None):
    def leave(error):
        log.append(("left", name, error))
        if raises is not None:
            raise raises

    def enter(*facts):
        log.append(("entered", name, facts))
        return leave

    return name, enter


def test_no_scope_costs_no_call():
    assert compose_scopes([], PluginErrors()) is None


def test_a_scope_that_has_nothing_to_do_at_the_end_is_not_left():
    log = []

    assert compose_scopes([("sets", lambda *facts: log.append(facts))], PluginErrors())(TASK) is None
    assert log == [("raw", 2, 3.0, "ours")]


def test_scopes_are_left_the_last_one_first_with_the_error_of_the_attempt():
    log, error = [], ValueError("the handler's")

    compose_scopes([scope("outer", log), scope("inner", log)], PluginErrors())(TASK)(error)

    names = [(act, name) for act, name, _ in log]
    assert names == [("entered", "outer"), ("entered", "inner"), ("left", "inner"), ("left", "outer")]
    assert [said for act, _, said in log if act == "left"] == [error, error]


@pytest.mark.parametrize("error", [None, ValueError("the handler's")])
def test_the_error_of_a_scope_that_is_left_goes_to_those_around_it_and_counts(error):
    log, errors, own = [], PluginErrors(), LookupError("the scope's")
    leave = compose_scopes([scope("outer", log), scope("inner", log, own)], errors)(TASK)

    with pytest.raises(LookupError, match="the scope's"):
        leave(error)

    assert log[2:] == [("left", "inner", error), ("left", "outer", own)]
    assert errors.counts == {("inner", "provide_attempt_scope"): 1}


def test_a_scope_that_cannot_be_entered_leaves_those_around_it():
    log, errors, own = [], PluginErrors(), LookupError("the scope's")

    def broken(*_):
        raise own

    with pytest.raises(LookupError, match="the scope's"):
        compose_scopes([scope("outer", log), ("inner", broken)], errors)(TASK)

    assert log[1:] == [("left", "outer", own)]
    assert errors.counts == {("inner", "provide_attempt_scope"): 1}


def test_an_answer_that_is_no_function_fails_the_attempt():
    leave = compose_scopes([("wrong", lambda *_: 7)], PluginErrors())(TASK)

    with pytest.raises(PluginError, match="plugin 'wrong' in provide_attempt_scope: the scope returned 7"):
        leave(None)


def call(kind, leave, function):
    if kind == "plain":
        return in_scope(leave, function, 1)

    async def as_coroutine(argument):
        return function(argument)

    return asyncio.run(in_scope_async(leave, as_coroutine, 1))


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_a_call_in_a_scope_returns_and_raises_as_it_would_outside(kind):
    left = []

    assert call(kind, left.append, lambda argument: argument + 1) == 2
    with pytest.raises(ZeroDivisionError):
        call(kind, left.append, lambda argument: argument / 0)
    assert [type(error) for error in left] == [type(None), ZeroDivisionError]
