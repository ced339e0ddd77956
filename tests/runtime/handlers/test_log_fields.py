"""The fields of the library's own lines about a record, with and without the plugin ``log-context``."""

from __future__ import annotations

import logging
import threading
from types import SimpleNamespace

import pytest

from kafka_parallel import RecordFailed, Retry, Skip, hookimpl
from kafka_parallel._core.task import Task
from kafka_parallel._core.task_batch import TaskBatch
from kafka_parallel._runtime.handlers.log_fields import fields_of
from kafka_parallel.logs import FIELDS
from kafka_parallel_plugins.log_context import LogContext
from kafka_parallel_plugins.retry import RetryWithBackoff
from tests.runtime.app import GROUP, TOPIC, App

WITH_AND_WITHOUT = pytest.mark.parametrize("plugins", [[], [LogContext]], ids=["without", "with log-context"])


def task(offset, topic="t", partition=0, attempt=1):
    made = Task(SimpleNamespace(topic=topic, partition=partition), offset, None, 1, 0.0)
    made.attempt = attempt
    return made


def values(item):
    return tuple(fields_of(item, "g").values())


def batch(*tasks):
    return TaskBatch([SimpleNamespace(tasks=[found], lane=None) for found in tasks])


def test_a_record_is_described_by_its_place_and_attempt():
    assert list(fields_of(task(7), None)) == list(FIELDS)
    assert values(task(7, attempt=3)) == ("t", 0, 7, "g", 3, None, None)


def test_a_batch_is_described_by_its_first_record_and_the_place_that_all_share():
    assert values(batch(task(7, attempt=2), task(9))) == ("t", 0, 7, "g", 2, None, 2)
    assert values(batch(task(7), task(9, partition=1))) == ("t", None, 7, "g", 1, None, 2)
    assert values(batch(task(7), task(9, topic="u"))) == (None, None, 7, "g", 1, None, 2)
    assert values(batch()) == (None, None, None, "g", None, None, None)


def found_in(caplog, text):
    """The place and attempt in the fields of the lines with *text* in them."""
    lines = [line for line in caplog.records if text in line.getMessage()]
    return [tuple(getattr(line, name) for name in FIELDS[:5]) for line in lines]


@WITH_AND_WITHOUT
def test_a_retry(plugins, caplog):
    def fail(record):
        raise OSError

    class Gives:
        @hookimpl
        def on_error(self):
            return Skip("enough")

    retry = RetryWithBackoff(max_attempts=3, delay_ms=0)
    with caplog.at_level(logging.INFO):
        assert App(1).run(fail, plugins=[*(plugin() for plugin in plugins), Gives(), retry]) is None

    assert found_in(caplog, "it will be processed again") == [(TOPIC, 0, 0, GROUP, 1), (TOPIC, 0, 0, GROUP, 2)]
    assert found_in(caplog, "it is not tried again") == [(TOPIC, 0, 0, GROUP, 3)]


@WITH_AND_WITHOUT
def test_a_handler_that_runs_for_long(plugins, caplog):
    said = threading.Event()

    class Listens(logging.Handler):
        def emit(self, record):
            if "has been running" in record.getMessage():
                said.set()

    logger, listens = logging.getLogger("kafka_parallel"), Listens()
    logger.addHandler(listens)
    try:
        with caplog.at_level(logging.WARNING):
            app = App(1)
            assert app.run(lambda _: said.wait(60), plugins=[plugin() for plugin in plugins], stuck_after_ms=50) is None
    finally:
        logger.removeHandler(listens)

    assert found_in(caplog, "has been running for")[:1] == [(TOPIC, 0, 0, GROUP, 1)]


@WITH_AND_WITHOUT
def test_a_handler_that_is_late(plugins, caplog):
    late = threading.Event()

    class Decides:
        @hookimpl
        def on_error(self, context):
            late.set()
            return Skip("late")

    app, plugins = App(1), [*(plugin() for plugin in plugins), Decides()]
    assert app.run(lambda _: late.wait(60), plugins=plugins, handler_timeout_ms=30) is None

    assert found_in(caplog, "its thread cannot be stopped") == [(TOPIC, 0, 0, GROUP, 1)]


@WITH_AND_WITHOUT
def test_a_second_record_that_would_have_stopped_the_consumer(plugins, caplog):
    both = threading.Barrier(2)

    def fail(record):
        both.wait(60)
        raise ValueError

    plugins = [plugin() for plugin in plugins]
    assert isinstance(App(2).run(fail, plugins=plugins, ordering="unordered"), RecordFailed)

    ((topic, partition, offset, group, attempt),) = found_in(caplog, "would have stopped the consumer as well")
    assert (topic, partition, group, attempt) == (TOPIC, 0, GROUP, 1)
    assert offset in (0, 1)


def test_a_record_whose_retry_is_due_too_late_for_a_stop(caplog):
    app = App(2)

    class Later:
        @hookimpl
        def on_error(self):
            parallel.stop(timeout_ms=100)
            return Retry(60_000)

    def fail(record):
        if record.offset == 0:
            raise OSError

    parallel = app.parallel(plugins=[Later()], ordering="unordered", workers=1)
    parallel.run(fail)

    assert found_in(caplog, "waits for longer than the stop") == [(TOPIC, 0, 0, GROUP, None)]


def test_a_line_about_no_record_has_no_fields(caplog):
    with caplog.at_level(logging.INFO):
        assert App(1).run() is None

    (line,) = [line for line in caplog.records if line.getMessage().startswith("starting")]
    assert not hasattr(line, "kafka_topic")
