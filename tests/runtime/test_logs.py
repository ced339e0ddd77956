"""Handlers and filters of logging that raise. Kind: code of the application that runs where nothing expects it."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from kafka_parallel import RecordFailed, hookimpl
from kafka_parallel._logs import QuietLogger, area_logger, get_logger
from tests.runtime.app import App


class Raising(logging.Handler):
    """Raises for every line that contains a word."""

    def __init__(self, word):
        super().__init__()
        self.word, self.raised = word, 0

    def emit(self, record):
        if self.word in record.getMessage():
            self.raised += 1
            raise KeyError("request_id")


@pytest.fixture
def logging_with():
    """Put a handler on the library's loggers for the time of a test."""
    added, logger = [], logging.getLogger("kafka_parallel")
    level = logger.level
    logger.setLevel(logging.INFO)

    def add(handler):
        added.append(handler)
        logger.addHandler(handler)
        return handler

    yield add
    logger.setLevel(level)
    for handler in added:
        logger.removeHandler(handler)


@pytest.mark.parametrize("word", ["starting", "assigned", "stopping", "stopped"])
def test_a_handler_that_raises_changes_nothing(logging_with, word, capsys):
    handler, app = logging_with(Raising(word)), App(5)
    parallel = app.parallel()

    parallel.run(app.handle(lambda _: None))

    assert handler.raised
    assert app.committed == 5
    assert parallel.state == "stopped"
    assert "KeyError: 'request_id'" in capsys.readouterr().err


def test_the_error_of_a_record_comes_out_all_the_same(logging_with):
    logging_with(Raising("stop"))

    def fail(_):
        raise ValueError("on purpose")

    parallel = App(1).parallel()
    with pytest.raises(RecordFailed):
        parallel.run(fail)
    assert parallel.state == "failed"


def test_a_line_names_the_place_that_logged_it(caplog):
    with caplog.at_level(logging.INFO):
        get_logger("some.logger").info("hello %s", "world")

    [line] = caplog.records
    assert line.getMessage() == "hello world"
    assert line.name == "some.logger"
    assert line.funcName == "test_a_line_names_the_place_that_logged_it"


def test_a_line_of_the_library_is_named_by_its_subject(caplog):
    with caplog.at_level(logging.INFO):
        area_logger("commits").info("hello")

    assert [line.name for line in caplog.records] == ["kafka_parallel.commits"]


def test_an_operator_silences_one_subject(caplog):
    caplog.set_level(logging.WARNING, "kafka_parallel.rebalance")
    caplog.set_level(logging.INFO, "kafka_parallel")  # the last one is that of the handler, too

    app = App(1)
    app.parallel().run(app.handle(lambda _: None))

    names = {line.name for line in caplog.records}
    assert "kafka_parallel.run" in names
    assert "kafka_parallel.rebalance" not in names


def test_extra_fields_are_set_whatever_the_factory_of_log_records_has_set(caplog):
    standard = logging.getLogRecordFactory()

    def own(*args, **kwargs):
        record = standard(*args, **kwargs)
        record.kafka_topic = "the application's"
        return record

    logging.setLogRecordFactory(own)
    try:
        get_logger("some.logger").warning("about a record", extra={"kafka_topic": "t", "kafka_offset": 7})
        get_logger("some.logger").warning("about none")
    finally:
        logging.setLogRecordFactory(standard)

    about, none = caplog.records
    assert (about.kafka_topic, about.kafka_offset) == ("t", 7)
    assert (none.kafka_topic, hasattr(none, "kafka_offset")) == ("the application's", False)


def test_extra_fields_are_those_of_their_own_line_alone(caplog):
    class Says(logging.Handler):
        def emit(self, record):
            if record.getMessage() == "outer":
                get_logger("some.logger").warning("inner")

    logger, says = logging.getLogger("some.logger"), Says()
    logger.addHandler(says)
    try:
        get_logger("some.logger").warning("outer", extra={"kafka_offset": 7})
    finally:
        logger.removeHandler(says)

    found = {line.getMessage(): getattr(line, "kafka_offset", None) for line in caplog.records}
    assert found == {"outer": 7, "inner": None}


def test_silence_is_kept_where_logging_is_told_to(logging_with, monkeypatch, capsys):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logging_with(Raising("hello"))

    get_logger("kafka_parallel").info("hello")

    assert capsys.readouterr().err == ""


class Gone(io.StringIO):
    """Standard error that was closed, or that fails."""

    def write(self, _):
        raise OSError("no such device")


@pytest.mark.parametrize("how", ["closed", "fails", "none"])
@pytest.mark.parametrize("word", ["starting", "failed", "stopping", "stopped"])
def test_standard_error_that_cannot_be_written_changes_nothing(logging_with, monkeypatch, word, how):
    stream = Gone() if how == "fails" else io.StringIO()
    if how == "closed":
        stream.close()
    monkeypatch.setattr(sys, "stderr", None if how == "none" else stream)
    handler, app = logging_with(Raising(word)), App(5)
    parallel = app.parallel(plugins=[FailsFirst()])

    parallel.run(app.handle(lambda _: None))

    assert handler.raised
    assert app.committed == 5
    assert parallel.state == "stopped"


class FailsFirst:
    """Has a line be logged in the middle of a commit."""

    has_failed = False

    @hookimpl(wrapper=True)
    def on_commit(self):
        if not self.has_failed:
            self.has_failed = True
            raise ValueError("on purpose")
        return (yield)


class Odd(logging.Logger):
    """A logger of the application's class, which raises as it is asked for its level."""

    def isEnabledFor(self, level):  # noqa: N802 - logging's name
        raise KeyError("tenant")


def test_a_logger_that_cannot_tell_its_level_raises_nothing(capsys):
    QuietLogger(Odd("odd"), {}).error("text")

    assert "KeyError: 'tenant'" in capsys.readouterr().err
