"""A record that holds the commit back does not make the finished ones above it come again. Kind: whole runs."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest
from kafka import ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition

from kafka_parallel import Batch, ConfigurationError, ParallelConsumer, RecordFailed, hookimpl
from kafka_parallel.testing.fake import cluster as fake_cluster
from kafka_parallel_plugins.offset_map import OffsetMap
from kafka_parallel_plugins.offset_map import mark as mark_module
from kafka_parallel_plugins.offset_map.codec import decode, encode
from kafka_parallel_plugins.offset_map.mark import mark_of
from tests.runtime.app import GROUP, PARTITION, TOPIC, App

RECORDS = 40


class Handlers:
    """Handlers that note their records. One record fails; it waits until another above it has finished.

    :param handled: the offsets are noted here.
    :param failing: the offset of the record that fails.
    """

    def __init__(self, handled, failing):
        self.handled, self.failing = handled, failing
        self.above, self.above_async = threading.Event(), asyncio.Event()

    def one(self, record):
        if record.offset == self.failing:
            assert self.above.wait(120), "no record above the one that fails has finished"
            raise ValueError(record.offset)
        self.handled.append(record.offset)
        if record.offset > self.failing:
            self.above.set()

    async def one_async(self, record):
        if record.offset == self.failing:
            await asyncio.wait_for(self.above_async.wait(), 120)
        self.one(record)
        if record.offset > self.failing:
            self.above_async.set()

    def several(self, records):
        for record in records:
            self.one(record)


def run_of(kind, app, handled, failing=RECORDS):
    """Run *app* with handlers of this *kind*, which fail for the record at the offset *failing*; return the error."""
    handlers = Handlers(handled, failing)
    parallel = app.parallel(plugins=["offset-map"], ordering="unordered")
    try:
        if kind == "batch":
            parallel.run(handlers.several, batch=Batch(max_records=1))
        else:
            parallel.run(handlers.one_async if kind == "asyncio" else handlers.one)
    except RecordFailed as error:
        return error
    return None


def committed(app):
    found = app.cluster.committed(GROUP, PARTITION)
    return found.offset, found.metadata


@pytest.mark.parametrize("kind", ["thread-pool", "asyncio", "batch"])
def test_a_failed_record_does_not_make_finished_ones_come_again(kind):
    app, first, second = App(RECORDS), [], []

    assert isinstance(run_of(kind, app, first, failing=3), RecordFailed)
    offset, metadata = committed(app)
    assert run_of(kind, app, second) is None

    assert offset == 3
    assert [*decode(3, metadata)] != []
    assert sorted(first + second) == [*range(RECORDS)]
    assert committed(app) == (RECORDS, "")


def test_progress_above_a_stuck_record_survives_while_it_runs_on():
    """It is what another process would see after a SIGKILL at this moment: that one handles the stuck record alone."""
    app, seen, stuck = App(RECORDS), threading.Event(), []

    def watch(_, offsets):
        commit = offsets.get(PARTITION)
        if commit is not None and [*decode(commit.offset, commit.metadata)] == [(1, RECORDS)]:
            stuck.append(commit)
            seen.set()

    def handler(record):
        if record.offset == 0:
            assert seen.wait(120), "the commit does not tell what is finished above the stuck record"

    app.cluster.on_commit = watch
    assert app.run(handler, plugins=["offset-map"], ordering="unordered") is None
    assert committed(app) == (RECORDS, "")

    app.cluster.commit(GROUP, None, {PARTITION: stuck[0]})
    app.handled.clear()
    assert app.run(plugins=["offset-map"], ordering="unordered") is None
    assert app.handled == [0]
    assert committed(app) == (RECORDS, "")


def test_the_map_of_a_java_consumer_is_understood():
    app = App(RECORDS)
    app.cluster.commit(
        GROUP, None, {PARTITION: OffsetAndMetadata(10, "bAAFEgA=", -1)}
    )  # 10, 12 and 13 are not finished

    assert app.run(plugins=["offset-map"]) is None

    assert app.handled == [10, 12, 13, *range(15, RECORDS)]


def test_a_jump_forward_ends_a_map_although_no_record_follows():
    """Kind: a position alone does not tell a jump from a gap in the log."""
    app = App(RECORDS)
    app.cluster.commit(GROUP, None, {PARTITION: OffsetAndMetadata(10, "bAAFEgA=", -1)})  # 11 and 14 are finished
    consumer, is_committed = app.consumer(consumer_timeout_ms=60_000), threading.Event()

    class PausesAndJumps(ConsumerRebalanceListener):
        def on_partitions_revoked(self, revoked):
            pass

        def on_partitions_assigned(self, assigned):
            consumer.pause(*assigned)

    def note(_, offsets):
        if offsets[PARTITION].offset == 11:
            is_committed.set()
        elif not is_committed.is_set():
            consumer.seek(PARTITION, 11)

    app.cluster.on_commit = note
    consumer.subscribe([TOPIC], listener=PausesAndJumps())
    with ParallelConsumer(consumer, plugins=["offset-map"], install_signal_handlers=False) as parallel:
        parallel.start(app.handle(lambda _: None))
        assert is_committed.wait(30)

    assert committed(app) == (11, "")
    assert app.run(plugins=["offset-map"]) is None
    assert app.handled == [*range(11, RECORDS)]


def test_the_map_of_a_java_consumer_beyond_the_end_of_the_log_is_not_believed(caplog):
    """Kind: it would finish records that are not written yet. It has no mark, so any number may stand beside it."""
    app = App(15)  # it tells of 11 and 14
    app.cluster.commit(GROUP, None, {PARTITION: OffsetAndMetadata(10, "bAAFEgA=", -1)})
    cut = App(14)
    cut.cluster.commit(GROUP, None, {PARTITION: OffsetAndMetadata(10, "bAAFEgA=", -1)})

    assert app.run(plugins=["offset-map"]) is None
    assert cut.run(plugins=["offset-map"]) is None

    assert (app.handled, cut.handled) == ([10, 12, 13], [10, 11, 12, 13])
    assert caplog.text.count("beyond the end of the log, 14") == 1


def test_a_line_tells_how_many_offsets_the_maps_leave_out(caplog):
    app = App(RECORDS)
    app.cluster.commit(GROUP, None, {PARTITION: OffsetAndMetadata(10, "bAAFEgA=", -1)})

    with caplog.at_level(logging.INFO, "kafka_parallel_plugins.offset_map"):
        assert app.run(plugins=["offset-map"]) is None

    lines = [record.getMessage() for record in caplog.records if "offset maps" in record.msg]
    assert lines == ["the offset maps of 1 partitions tell of 2 finished offsets: their records are left out"]


@pytest.mark.parametrize("metadata", ["hello", "aGVsbG8=", "TAA=", "b////////w==", "bAAFEg A="])
def test_metadata_that_is_no_map_is_said_and_its_records_are_repeated(metadata, caplog):
    app = App()
    app.cluster.commit(GROUP, None, {PARTITION: OffsetAndMetadata(2, metadata, -1)})

    assert app.run(plugins=["offset-map"]) is None

    assert app.handled == [2, 3, 4, 5]
    assert caplog.text.count("the metadata of the commit of t[0]@2 is no offset map") == 1


def move(app, **change):
    """Store the group's commit anew, with *change* and the metadata as it was."""
    commit = app.cluster.committed(GROUP, PARTITION)
    app.cluster.commit(GROUP, None, {PARTITION: commit._replace(**change)})


def test_the_map_of_a_commit_that_was_moved_is_not_believed(caplog):
    app, first, second = App(RECORDS), [], []
    run_of("thread-pool", app, first, failing=20)
    assert committed(app)[1]
    move(app, offset=10)

    assert run_of("thread-pool", app, second) is None

    assert sorted(second) == [*range(10, RECORDS)]
    assert caplog.text.count("the offset map in the commit of t[0]@10 was written for another commit") == 1


@pytest.mark.skipif(not mark_module.READS_EPOCHS, reason="kafka-python 2.x leaves the epoch out")
def test_the_map_of_a_commit_that_lost_its_leader_epoch_is_not_believed(caplog):
    """So does a tool that copies commits to another cluster, maybe to the same number by chance."""
    app, first, second = App(RECORDS), [], []
    run_of("thread-pool", app, first, failing=20)
    assert committed(app)[1]
    move(app, leader_epoch=7)

    assert run_of("thread-pool", app, second) is None

    assert sorted(second) == [*range(20, RECORDS)]
    assert "was written for another commit" in caplog.text


def test_a_map_of_a_client_that_reads_no_leader_epochs_is_believed(monkeypatch):
    """kafka-python 2.x reads -1 from each commit, and any version may take the partition over."""
    monkeypatch.setattr(mark_module, "READS_EPOCHS", False)
    app, first, second = App(RECORDS), [], []
    run_of("thread-pool", app, first, failing=20)
    assert app.cluster.committed(GROUP, PARTITION).leader_epoch == 0
    monkeypatch.undo()

    assert run_of("thread-pool", app, second) is None

    assert sorted(first + second) == [*range(RECORDS)]


@pytest.mark.skipif(not mark_module.READS_EPOCHS, reason="kafka-python 2.x leaves the epoch out")
@pytest.mark.parametrize("other", [("u", 0, 5, 3), ("t", 1, 5, 3), ("t", 0, 6, 3), ("t", 0, 5, -1)])
def test_the_mark_differs_for_another_topic_partition_offset_or_epoch(other):
    def mark(topic, partition, offset, leader_epoch):
        return mark_of(TopicPartition(topic, partition), OffsetAndMetadata(offset, "", leader_epoch))[:3]

    assert mark(*other) != mark("t", 0, 5, 3)


def test_a_map_is_cut_to_the_limit():
    offsets = {PARTITION: OffsetAndMetadata(0, "", -1)}
    finished = [range(first, first + 1) for first in range(1, 200, 2)]

    next(OffsetMap(max_chars=12).on_commit(offsets, {PARTITION: finished}))

    text = offsets[PARTITION].metadata
    assert 0 < len(text) <= 12
    told = decode(0, text)
    assert told == [(found.start, found.stop) for found in finished[: len(told)]]


def test_a_broker_that_takes_less_gets_a_plain_commit_then_shorter_maps(monkeypatch, caplog):
    monkeypatch.setattr(fake_cluster, "MOST_METADATA", 12)
    app, plain, short = App(60), threading.Event(), threading.Event()

    def watch(_, offsets):
        if "the broker takes no metadata as long" in caplog.text:
            (short if any(commit.metadata for commit in offsets.values()) else plain).set()

    def handler(record):
        if record.offset % 7 == 0:
            assert short.wait(120), "no shorter map was ever stored"
        elif record.offset == 59:  # it finishes after the plain commit, so that there is something to tell again
            assert plain.wait(120), "no plain commit was ever stored"

    app.cluster.on_commit = watch
    assert app.run(handler, plugins=[OffsetMap(max_chars=24)], ordering="unordered", workers=20) is None

    assert caplog.text.count("the broker takes no metadata as long as the offset map") == 1
    assert "have at most 12 characters" in caplog.text
    assert committed(app) == (60, "")


class Other:
    """Writes metadata and does not say so."""

    @hookimpl(wrapper=True)
    def on_commit(self, offsets):
        for partition, commit in offsets.items():
            offsets[partition] = commit._replace(metadata="mine")
        return (yield)


@pytest.mark.parametrize("plugins", [["offset-map", Other()], [Other(), "offset-map"]], ids=["before", "after"])
def test_the_text_of_another_plugin_stays_and_is_said_once(plugins, caplog):
    app = App()

    assert app.run(plugins=plugins) is None

    assert committed(app) == (6, "mine")
    assert caplog.text.count("two plugins write commit metadata") == 1


def test_two_maps_are_refused_at_the_start():
    app = App()

    error = app.run(plugins=["offset-map", type("Mine", (OffsetMap,), {})()])

    assert isinstance(error, ConfigurationError)
    assert "two plugins write commit metadata" in str(error)
    assert app.handled == []


@pytest.mark.parametrize("limit", [0, 3, True, 4.5, "4096", 1_000_001])
def test_a_limit_that_cannot_be_one_is_refused(limit):
    with pytest.raises(ConfigurationError, match="max_chars of plugin offset-map is"):
        OffsetMap(max_chars=limit)


def test_records_of_the_map_count_from_the_first_poll_on():
    """Also those that come in many polls, and a second start knows as much as the first."""
    app = App(RECORDS)
    done = encode(0, [(first, first + 1) for first in range(1, RECORDS, 2)])
    app.cluster.commit(GROUP, None, {PARTITION: OffsetAndMetadata(0, done, -1)})

    def handler(record):
        raise ValueError

    for _ in range(3):
        assert isinstance(app.run(handler, plugins=["offset-map"], consumer={"max_poll_records": 3}), RecordFailed)
        offset, metadata = committed(app)
        assert (app.handled, offset, decode(0, metadata)) == ([], 0, decode(0, done))
    assert app.run(plugins=["offset-map"], consumer={"max_poll_records": 3}) is None
    assert app.handled == [*range(0, RECORDS, 2)]


@pytest.mark.parametrize("habits", ["2.x", "3.x"])
@pytest.mark.parametrize(("target", "again"), [(20, [*range(20, RECORDS)]), (0, [*range(RECORDS)])])
def test_records_that_the_user_seeks_to_are_handled_again(target, again, habits):
    """The span keeps the records ahead from being fetched before the seek."""
    app, asked = App(RECORDS), threading.Event()
    done = encode(0, [(1, RECORDS)])
    app.cluster.commit(GROUP, None, {PARTITION: OffsetAndMetadata(0, done, -1)})
    consumer = app.consumer(max_poll_records=2, habits=habits, consumer_timeout_ms=20_000)
    parallel = ParallelConsumer(
        consumer, plugins=["offset-map"], max_uncommitted=5, ordering="unordered", install_signal_handlers=False
    )

    def handler(record):
        if not asked.is_set():
            asked.set()
            consumer.seek(PARTITION, target)
        elif record.offset == RECORDS - 1:
            parallel.stop()

    parallel.run(app.handle(handler))

    assert sorted(app.handled[1:]) == again


def test_a_consumer_without_a_group_is_refused():
    app = App()
    consumer = app.consumer()
    consumer.config["group_id"] = None

    with pytest.raises(ConfigurationError, match="plugin offset-map needs a consumer group"):
        ParallelConsumer(consumer, plugins=["offset-map"], install_signal_handlers=False).run(lambda _: None)
