"""The command run on fakes: it ends where it should, with the exit code that says how."""

from __future__ import annotations

import functools
import json
import logging
import os
import signal
import sys
import types
from pathlib import Path

import pytest
from click.testing import CliRunner
from kafka import TopicPartition
from kafka.errors import TopicAuthorizationFailedError

from kafka_parallel import ParallelConsumer, Skip, hookimpl
from kafka_parallel.cli import command
from kafka_parallel.cli.log_formats import JsonLines, TextLines
from kafka_parallel.cli.read_to_end import is_read
from kafka_parallel.cli.run_endings import CODES, code_of_error
from kafka_parallel.errors import CommitFailed, MemberFenced
from kafka_parallel.facts import PartitionProgress
from kafka_parallel.testing import FakeCluster, FakeConsumer


@pytest.fixture(autouse=True)
def own_process(monkeypatch, tmp_path):
    """Let what the command changes in its process end with the test."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    level = logging.getLogger("kafka").level
    yield
    logging.getLogger("kafka").setLevel(level)


class App:
    """A cluster with a topic of three partitions, and a program that reads it."""

    def __init__(self, monkeypatch, handle=None):
        self.cluster, self.seen = FakeCluster(), []
        self.cluster.create_topic("orders", 3)
        self.handle = handle or self.seen.append
        self.options = {}
        module = types.ModuleType("app_of_the_test")
        module.make = self.make
        monkeypatch.setitem(sys.modules, "app_of_the_test", module)

    def make(self):
        consumer = FakeConsumer("orders", cluster=self.cluster, group_id="g", auto_offset_reset="earliest")
        return ParallelConsumer(consumer, workers=2, **self.options), self.handle

    def append(self, *values, partition=0):
        for value in values:
            self.cluster.append("orders", value, partition=partition)

    def run(self, *flags, code=0):
        done = CliRunner().invoke(command(), ["run", "app_of_the_test:make", *flags])
        assert done.exit_code == code, (done.output, done.exception)
        return done

    def committed(self, partition=0):
        found = self.cluster.committed("g", TopicPartition("orders", partition))
        return None if found is None else found.offset


@pytest.fixture
def app(monkeypatch):
    return functools.partial(App, monkeypatch)


# To the end of the logs


def test_once_ends_when_all_was_read_finished_and_committed(app):
    app = app()
    app.append(b"a", b"b", partition=0)
    app.append(b"c", partition=1)

    app.run("--once")

    assert sorted(record.value for record in app.seen) == [b"a", b"b", b"c"]
    assert (app.committed(0), app.committed(1)) == (2, 1)


def test_once_ends_at_empty_logs(app):
    app().run("--once")


def test_once_ends_although_records_go_on_coming(app):
    def handle(record):
        seen.append(record.offset)
        app.append(b"more", partition=0)

    seen, app = [], app(handle)
    app.append(b"a")

    app.run("--once")

    assert seen[0] == 0
    assert app.committed() >= 1


def test_once_refuses_a_topic_that_is_not_there(app):
    app = app()
    app.cluster.delete_topic("orders")

    assert "there is no topic orders" in app.run("--once", code=2).output


PARTITION = TopicPartition("orders", 0)


@pytest.mark.parametrize(
    ("position", "head", "expected"),
    [(None, None, False), (4, None, False), (5, None, True), (5, 4, False), (9, 4, False), (9, 5, True)],
)
def test_a_partition_is_read_when_all_below_its_end_is_finished(position, head, expected):
    progress = {PARTITION: PartitionProgress(position=position, head_offset=head)}

    assert is_read({PARTITION: 5}, progress) is expected


def test_partitions_without_a_record_at_the_start_are_read():
    assert is_read({PARTITION: 0}, {PARTITION: PartitionProgress()})
    assert is_read({}, {PARTITION: PartitionProgress()})


# Exit codes


def test_a_record_that_fails_is_1(app, caplog):
    def handle(record):
        raise ValueError("no amount")

    app = app(handle)
    app.append(b"a")

    app.run(code=1)

    assert "the run has failed: record orders[0]@0 failed: ValueError('no amount')" in caplog.text
    assert app.committed() == 0


def test_a_refused_commit_is_4(app):
    app = app()
    app.cluster.fail("commit", TopicAuthorizationFailedError(), times=100)
    app.append(b"a")

    app.run("--once", code=4)


@pytest.mark.parametrize("error", [CommitFailed("no"), MemberFenced("g", "one")])
def test_a_member_whose_commits_are_refused_is_4(app, error):
    consumer, _ = app().make()

    assert code_of_error(error, consumer) == 4


class Refuses:
    @hookimpl
    def on_start(self):
        raise RuntimeError("no database")


def test_a_plugin_that_refuses_the_start_is_no_clean_stop(app):
    app = app()
    app.options["plugins"] = [Refuses()]

    app.run(code=1)


class Abandons:
    @hookimpl
    def on_commit(self, context):
        if context.reason == "stop":
            raise TimeoutError("no coordinator")


def test_a_last_commit_that_was_not_made_is_75(app):
    app = app()
    app.options["plugins"] = [Abandons()]
    app.append(b"a")

    app.run("--once", code=75)


def test_a_signal_lets_running_records_finish(app):
    def handle(record):
        os.kill(os.getpid(), signal.SIGTERM)

    app = app(handle)
    app.append(b"a")

    app.run()

    assert app.committed() == 1


def test_a_second_signal_gives_work_up_and_is_75(app):
    def handle(record):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)

    app = app(handle)
    app.append(b"a")

    app.run(code=75)


def test_the_handlers_of_signals_are_those_of_before(app):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)

    app().run("--once")

    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_every_exit_code_is_in_the_reference():
    page = (Path(__file__).parents[2] / "docs/reference/command-line.md").read_text()

    assert sorted(CODES) == [0, 1, 2, 3, 4, 75]
    assert [code for code, meaning in CODES.items() if f"| {code} | {meaning} |" not in page] == []


# Batches and coroutines


def test_a_batch_of_records_is_handed_over(app):
    batches = []
    app = app(batches.append)
    app.append(b"a", b"b", b"c")

    app.run("--once", "--batch", "2")

    assert all(isinstance(batch, list) and len(batch) <= 2 for batch in batches)
    assert sum(map(len, batches)) == 3


def test_a_coroutine_is_awaited(app):
    async def handle(record):
        seen.append(record.value)

    seen, app = [], app(handle)
    app.append(b"a")

    app.run("--once")

    assert seen == [b"a"]


# Lines of the log


def logged(formatter, **fields):
    record = logging.LogRecord("billing", logging.WARNING, "x.py", 1, "payment %s", ("refused",), None)
    vars(record).update(fields)
    return formatter.format(record)


def test_json_lines_have_the_fields_of_the_record():
    fields = {"kafka_topic": "orders", "kafka_partition": 3, "kafka_offset": 17, "kafka_key": None}

    line = json.loads(logged(JsonLines(), **fields))

    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "WARNING", "logger": "billing", "message": "payment refused",
        "kafka_topic": "orders", "kafka_partition": 3, "kafka_offset": 17,
    }  # fmt: skip


def test_a_json_line_has_the_traceback_of_an_error():
    try:
        raise ValueError("no\namount")
    except ValueError:
        record = logging.LogRecord("billing", logging.ERROR, "x.py", 1, "failed", (), sys.exc_info())

    line = JsonLines().format(record)

    assert "\n" not in line
    assert json.loads(line)["error"].endswith("ValueError: no\namount")


def test_text_lines_name_the_record_if_there_is_one():
    fields = {"kafka_topic": "orders", "kafka_partition": 3, "kafka_offset": 17}

    assert logged(TextLines(), **fields).endswith("WARNING billing: payment refused [orders[3]@17]")
    assert logged(TextLines()).endswith("WARNING billing: payment refused")


def test_skips_are_no_failures(app):
    class Skips:
        @hookimpl
        def on_error(self):
            return Skip("bad")

    def handle(record):
        raise ValueError("no amount")

    app = app(handle)
    app.options["plugins"] = [Skips()]
    app.append(b"a")

    app.run("--once")

    assert app.committed() == 1


@pytest.mark.parametrize("status", [0, 3, None, "done"])
def test_a_handler_that_calls_exit_is_a_failure_whatever_it_says(app, caplog, status):
    app = app(lambda record: sys.exit(status))
    app.append(b"1")

    app.run(code=1)

    assert app.committed() in {None, 0}
    assert f"the run has failed: a handler or a plugin called sys.exit({status!r})" in caplog.text
