"""A wrong answer of a plugin is said and ignored, or fails clearly; it never ends consumption without a word.

The kind: an answer of a plugin is taken for a right one. The bare client has no plugins; it stands for an app that
handles and commits everything.
"""

from __future__ import annotations

import itertools
import logging
from functools import partial
from types import SimpleNamespace

import pytest
from kafka import TopicPartition

from kafka_parallel import PluginError, RecordFailed, hookimpl
from kafka_parallel._plugins.answers import done_offsets
from tests.runtime.app import PARTITION, App

ALL = [0, 1, 2, 3, 4, 5]
OTHER = TopicPartition("t", 7)


class Raises(dict):
    def items(self):
        raise LookupError("on purpose")


WRONG = {
    "None for a partition": {PARTITION: None},
    "a number for a partition": {PARTITION: 3},
    "text for a partition": {PARTITION: "012"},
    "no offsets": {PARTITION: ["x", None, -1, 2.5, True, {}.keys(), range(-3, 3), range(0, 6, 2)]},
    "an endless iterator": {PARTITION: itertools.count()},
    "another partition": {OTHER: [0, 1]},
    "no partition": {"t": [0]},
    "a list": [PARTITION],
    "a number": 5,
    "a mapping that raises": Raises(),
}


def answering(answer):
    return SimpleNamespace(on_assign=hookimpl(lambda: answer))


@pytest.mark.parametrize("habits", ["2.x", "3.x"])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_answer_to_on_assign_is_said_and_ignored(wrong, habits, caplog):
    app = App()
    with caplog.at_level(logging.ERROR):
        error = app.run(plugins=[answering(WRONG[wrong])], consumer={"habits": habits})

    assert error is None
    assert (app.handled, app.committed) == (ALL, 6)
    assert "on_assign of plugin 'SimpleNamespace' answered" in caplog.text


def test_what_is_right_of_an_answer_counts():
    app = App()

    assert app.run(plugins=[answering({PARTITION: [1, "x", 3], OTHER: None})]) is None
    assert (app.handled, app.committed) == ([0, 2, 4, 5], 6)


def test_what_two_plugins_say_is_done_is_done():
    app, first = App(), answering({PARTITION: {1}})
    second = type("Second", (), {"on_assign": hookimpl(lambda self: {PARTITION: {3}})})()

    assert app.run(plugins=[first, second]) is None
    assert app.handled == [0, 2, 4, 5]


def test_offsets_may_be_any_integers():
    class Number:
        def __index__(self):
            return 4

        def __ge__(self, other):
            return True

    assert done_offsets({PARTITION: [Number()]}, {PARTITION}) == ({PARTITION: [(4, 5)]}, [])


def test_ranges_may_be_named_as_they_are():
    """A set of the offsets of the second one would fill the memory."""
    app = App()

    assert app.run(plugins=[answering({PARTITION: [1, range(3, 5), range(8, 2**31)]})]) is None
    assert app.handled == [0, 2, 5]
    assert done_offsets({PARTITION: range(1, 2**31)}, {PARTITION}) == ({PARTITION: [(1, 2**31)]}, [])


@pytest.mark.parametrize("habits", ["2.x", "3.x"])
def test_an_error_while_partitions_are_begun_comes_out_of_run(habits, monkeypatch):
    """The client only logs an error of its rebalance listener: nothing would be consumed, and nothing said."""
    app = App()
    parallel = app.parallel({"habits": habits})
    monkeypatch.setattr("kafka_parallel._runtime.loop.locked_scheduler.LockedScheduler.assign", lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        parallel.run(lambda record: None)
    assert app.committed == 0


class Store:
    """Keeps offsets itself, and fails."""

    @hookimpl
    def on_commit(self):
        raise ConnectionError("store is down")


class Swallows:
    @hookimpl(wrapper=True)
    def on_commit(self):
        try:
            return (yield)
        except Exception:
            return None


@pytest.mark.parametrize("plugin", ["fails", "changes offsets"])
def test_a_wrapper_that_swallows_a_plugins_error_does_not_make_a_commit_done(plugin, caplog):
    class Changes:
        @hookimpl(wrapper=True)
        def on_commit(self, offsets):
            offsets.clear()
            return (yield)

    app = App()
    plugins = [Store() if plugin == "fails" else Changes(), Swallows()]
    assert app.run(plugins=plugins) is None

    assert (app.handled, app.committed) == (ALL, 0)
    assert "a plugin failed in on_commit; nothing was committed" in caplog.text


def test_a_plugin_that_commits_by_itself_says_true():
    kept = {}

    class Keeps:
        @hookimpl
        def on_commit(self, offsets):
            kept.update({partition: chosen.offset for partition, chosen in offsets.items()})
            return True

    app = App()

    assert app.run(plugins=[Keeps()]) is None
    assert (kept, app.committed) == ({PARTITION: 6}, 0)


def test_an_answer_of_on_record_by_accident_fails_the_record():
    app = App()

    error = app.run(plugins=[SimpleNamespace(on_record=hookimpl(lambda record: record))])

    assert isinstance(error, RecordFailed)
    assert "on_record of plugin 'SimpleNamespace' answered" in str(error)
    assert (app.handled, app.committed) == ([], 0)


class Lazy:
    async def start(self, work):
        """Nothing awaits it."""

    def join(self, timeout_ms):
        return True


@pytest.mark.parametrize("executor", [Lazy, Lazy()])
def test_an_executor_that_would_never_run_anything_is_refused(executor):
    app = App()

    error = app.run_coroutine(lambda _: None, plugins=[SimpleNamespace(provide_executor=hookimpl(lambda: executor))])

    assert isinstance(error, PluginError)
    assert "which never runs anything" in str(error)


def test_a_handler_is_named_without_what_it_is_bound_to():
    app = App()

    error = app.run_coroutine(partial(print, "hidden", end="hidden"), executor="asyncio")

    assert "the handler partial(print) is a plain function" in str(error)
    assert "hidden" not in str(error)
