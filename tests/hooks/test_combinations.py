"""Choices that do not go together, or were never made: refused, or warned of once, with the line to write."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from types import SimpleNamespace

import pytest

from kafka_parallel import ConfigurationError, ParallelConsumer, PluginError, StateError, hookimpl
from kafka_parallel.testing import FakeConsumer, FakeProducer
from tests.runtime.app import PARTITION, App

ALL = [0, 1, 2, 3, 4, 5]


async def wait(record):
    await asyncio.sleep(0)


def plain(record):
    """Does nothing."""


def test_run_with_an_async_handler_inside_of_a_running_event_loop_is_refused():
    app = App()

    async def main():
        app.parallel().run(wait)

    with pytest.raises(StateError, match=r"write await consumer\.run_async\(handler\)"):
        asyncio.run(main())
    assert app.committed == 0


def test_run_with_a_plain_handler_inside_of_a_running_event_loop_is_warned_of(caplog):
    app = App()

    async def main():
        app.parallel().run(plain)

    asyncio.run(main())

    assert app.committed == 6
    assert "run() blocks the event loop that runs on this thread" in caplog.text


def test_start_with_an_async_handler_inside_of_a_running_event_loop_has_a_loop_of_its_own(caplog):
    app = App()

    async def main():
        with app.parallel() as parallel:
            parallel.start(wait)
            while not parallel.join(timeout_ms=0):
                await asyncio.sleep(0.01)

    asyncio.run(main())

    assert app.committed == 6
    assert "blocks the event loop" not in caplog.text


def test_run_async_of_a_plain_handler_is_refused():
    app = App()

    with pytest.raises(ConfigurationError, match=r"write start\(handler\)"):
        asyncio.run(app.parallel().run_async(plain))
    assert app.committed == 0


def warnings(caplog):
    return [entry.getMessage() for entry in caplog.records if entry.levelno == logging.WARNING]


def test_an_executor_that_only_plugins_names_is_said(caplog):
    class Both:
        @hookimpl
        def on_stop(self):
            """Heard."""

    app = App()
    app.run_coroutine(plain, plugins=["asyncio"])
    said = [line for line in warnings(caplog) if "executor" in line]

    assert len(said) == 1
    assert said[0].endswith("and is used, although executor= does not name it: write executor='asyncio'")


@pytest.mark.parametrize(
    "options",
    [
        {"plugins": [("thread-pool", {})]},
        {"plugins": [("thread-pool", {})], "executor": "thread-pool"},
        {"plugins": [("key-ordered", {"null_keys": "unordered"})]},
        {"plugins": ["partition-queue"], "ordering": "partition"},
    ],
)
def test_settings_of_what_is_used_anyway_or_was_chosen_are_nothing_to_say(options, caplog):
    app = App()

    assert app.run_coroutine(plain, **options) is None
    assert warnings(caplog) == []


def test_an_ordering_that_only_plugins_names_is_said(caplog):
    assert App().run_coroutine(plain, plugins=["partition-queue"]) is None
    assert any("write ordering='partition-queue'" in line for line in warnings(caplog))


@pytest.mark.parametrize("ordering", ["unordered", lambda record: record.key])
def test_an_ordering_beside_a_plugin_that_provides_one_is_refused(ordering):
    app = App()

    error = app.run_coroutine(plain, plugins=["key-ordered"], ordering=ordering)

    assert isinstance(error, ConfigurationError)
    assert "plugin 'key-ordered'" in str(error)
    assert "leave one of the two out" in str(error)


@pytest.mark.parametrize(
    "options",
    [
        {"plugins": ["process-pool"], "executor": "thread-pool"},
        {"plugins": ["partition-queue"], "ordering": "key"},
    ],
)
def test_two_that_provide_the_same_are_refused(options):
    assert isinstance(App().run_coroutine(plain, **options), PluginError)


def groupless(app, **options):
    consumer = FakeConsumer(cluster=app.cluster, group_id=None, auto_offset_reset="earliest", consumer_timeout_ms=400)
    consumer.assign([PARTITION])
    return ParallelConsumer(consumer, workers=2, install_signal_handlers=False, **options)


def test_a_plugin_that_hears_of_commits_where_there_are_none_is_warned_of(caplog):
    app, hears = App(), SimpleNamespace(on_commit=hookimpl(lambda: None))

    groupless(app, plugins=[hears]).run(lambda record: app.handled.append(record.offset))

    assert app.handled == ALL
    assert sum("implements on_commit, and nothing is committed: give the KafkaConsumer a group_id" in line
               for line in warnings(caplog)) == 1  # fmt: skip


def test_dead_letters_without_a_group_are_warned_of(caplog):
    app = App()
    app.cluster.create_topic("dead")
    plugins = [("dlq", {"topic": "dead", "make_producer": partial(FakeProducer, cluster=app.cluster)})]

    groupless(app, plugins=plugins).run(lambda record: app.handled.append(record.offset))

    assert app.handled == ALL
    said = [line for line in warnings(caplog) if "dlq" in line]
    assert len(said) == 1
    assert said[0].endswith("each start writes the same dead letters again: give the KafkaConsumer a group_id")


class Choices:
    """Keeps the choices that a plugin is told."""

    @hookimpl
    def on_start(self, settings):
        self.told = (settings.executor, settings.ordering)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, ("thread-pool", "key-ordered")),
        ({"ordering": "partition"}, ("thread-pool", "partition-queue")),
        ({"ordering": "unordered"}, ("thread-pool", "unordered")),
        ({"ordering": lambda record: record.key}, ("thread-pool", "function")),
        ({"plugins": ["partition-queue"]}, ("thread-pool", "partition-queue")),
    ],
)
def test_plugins_are_told_which_plugins_provide_the_choices(options, told):
    choices = Choices()

    assert App().run(**{**options, "plugins": [*options.get("plugins", ()), choices]}) is None

    assert choices.told == told


def test_plugins_are_told_which_executor_a_coroutine_handler_has():
    choices = Choices()

    assert App(executor="asyncio").run(plugins=[choices]) is None

    assert choices.told == ("asyncio", "key-ordered")
