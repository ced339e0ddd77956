"""Records that are finished before a partition comes are not handled again, as far as that can be believed."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from kafka import OffsetAndMetadata
from kafka.errors import GroupAuthorizationFailedError

from kafka_parallel import ParallelConsumer, hookimpl
from tests.runtime.app import GROUP, PARTITION, App


def committed_at(app, offset, metadata=""):
    app.cluster.commit(GROUP, None, {PARTITION: OffsetAndMetadata(offset, metadata, -1)})


class Reader:
    """Answers by the commits it gets.

    :param answer: makes the answer of them.
    """

    def __init__(self, answer):
        self.seen = []
        self._answer = answer

    @hookimpl
    def on_assign(self, partitions, committed):
        self.seen.append(dict(committed))
        return dict.fromkeys(partitions, self._answer)


@pytest.mark.parametrize("habits", ["2.x", "3.x"])
def test_a_plugin_gets_the_commits_with_their_metadata(habits):
    app, reader = App(), Reader([range(3, 5)])
    committed_at(app, 2, "some text")

    assert app.run(plugins=[reader], consumer={"habits": habits}) is None

    assert reader.seen == [{PARTITION: OffsetAndMetadata(2, "some text", -1)}]
    assert app.handled == [2, 5]


def test_without_a_commit_a_reader_has_nothing_to_say(caplog):
    app, reader = App(), Reader([range(3, 5)])

    assert app.run(plugins=[reader]) is None

    assert (reader.seen, len(app.handled)) == ([{}], 6)
    assert "which is not assigned now" in caplog.text


def test_the_committed_offset_is_handled_whatever_a_reader_says():
    app = App()
    committed_at(app, 2)

    assert app.run(plugins=[Reader(range(6))]) is None

    assert app.handled == [2]
    assert app.committed == 6


@pytest.mark.parametrize("habits", ["2.x", "3.x"])
def test_a_reader_that_tells_of_more_than_the_log_has_is_not_believed(habits, caplog):
    app = App()
    committed_at(app, 2)

    assert app.run(plugins=[Reader([range(3, 5), range(6, 2**31)])], consumer={"habits": habits}) is None

    assert app.handled == [2, 3, 4, 5]
    assert (
        "the commit of t[0]@2 tells of finished records above it, and is not believed, for the commit tells of offsets "
        "beyond the end of the log, 6: they are processed again" in caplog.text
    )


@pytest.mark.parametrize("target", [1, 3])
def test_a_reader_is_not_believed_elsewhere_than_at_the_commit_and_that_is_said(target, caplog):
    app = App()
    committed_at(app, 2)
    consumer = app.consumer()
    consumer.poll(0)
    consumer.seek(PARTITION, target)

    parallel = ParallelConsumer(consumer, plugins=[Reader([range(3, 5)])], workers=2, install_signal_handlers=False)
    parallel.run(app.handle(lambda _: None))

    assert app.handled == [*range(target, 6)]
    assert f"is not believed, for the partition is read from offset {target} on: they are processed" in caplog.text


def test_a_jump_of_the_application_is_said_and_is_no_warning(caplog):
    app = App(40)
    committed_at(app, 2)
    consumer = app.consumer(max_poll_records=2)
    parallel = ParallelConsumer(
        consumer, plugins=[Reader([range(3, 30)])], max_uncommitted=5, workers=1, install_signal_handlers=False
    )
    asked = []

    def handler(record):
        if not asked:
            asked.append(record.offset)
            consumer.seek(PARTITION, 10)

    with caplog.at_level(logging.INFO, "kafka_parallel.rebalance"):
        parallel.run(app.handle(handler))

    said = [(line.levelname, line.getMessage()) for line in caplog.records if "of finished records" in line.msg]
    told = "the commit of t[0]@2 told of finished records above it, and does not count any more"
    assert said == [("INFO", f"{told}: the application has called seek()")]


def test_a_plugin_with_a_store_of_its_own_is_believed():
    app = App()
    committed_at(app, 2)

    assert app.run(plugins=[SimpleNamespace(on_assign=hookimpl(lambda: {PARTITION: {2, 3}}))]) is None

    assert app.handled == [4, 5]


def test_nothing_is_asked_without_a_reader():
    app = App()
    app.cluster.on_call = lambda name, _: pytest.fail("it was asked") if name == "committed" else None

    assert app.run(plugins=[SimpleNamespace(on_assign=hookimpl(lambda: None))]) is None


def test_a_commit_that_cannot_be_had_is_said_and_its_records_are_repeated(caplog):
    app, reader = App(), Reader([range(3, 5)])
    committed_at(app, 2)
    app.cluster.fail("committed", GroupAuthorizationFailedError(), times=2)

    assert app.run(plugins=[reader]) is None

    assert (reader.seen, app.handled) == ([{}], [2, 3, 4, 5])
    assert "the commits of t[0] are not known" in caplog.text
