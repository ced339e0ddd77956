"""Offsets that the client passes without a record, and partitions without one: the kind of loss that needs silence.

Every test is about the client's own position, which is all that is known of a partition while nothing of it comes.
"""

from __future__ import annotations

import threading
import time

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaConnectionError, TopicAuthorizationFailedError

from kafka_parallel import ParallelConsumer, hookimpl
from kafka_parallel._core import commit_schedule
from kafka_parallel._runtime.loop import positions
from kafka_parallel.testing import FakeConsumer
from kafka_parallel.testing.fake.fetcher import Fetcher
from tests.runtime.app import GROUP, PARTITION, TOPIC, App


def until(holds):
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "it did not come so far"
        threading.Event().wait(0.005)


def write(app, count):
    for _ in range(count):
        app.cluster.append(TOPIC, b"v", b"key", partition=0)


@pytest.mark.parametrize("reset", ["latest", "earliest"])
def test_what_is_written_between_two_quiet_runs_is_handled(reset):
    app = App(records=3)
    app.handled.clear()
    app.run(consumer={"auto_offset_reset": reset})
    before = len(app.handled)

    write(app, 10)
    app.run(consumer={"auto_offset_reset": reset})

    assert app.handled[before:] == [*range(3, 13)]


def test_a_partition_without_a_record_is_committed_at_once():
    """Not at the interval: a rebalance or a kill before it would skip records written meanwhile."""
    app = App(records=3)
    reasons, is_committed = [], threading.Event()

    class Noting:
        @hookimpl(wrapper=True)
        def on_commit(self, offsets, context):
            reasons.append((offsets[PARTITION].offset, context.reason))
            is_committed.set()
            return (yield)

    quiet = {"auto_offset_reset": "latest", "auto_commit_interval_ms": 3_600_000, "consumer_timeout_ms": 60_000}
    with app.parallel(consumer=quiet, plugins=[Noting()]) as parallel:
        parallel.start(lambda _: None)
        assert is_committed.wait(30)

    assert reasons == [(3, "interval")]


def test_markers_at_the_end_are_committed():
    app = App(records=3)
    log = app.cluster.logs[PARTITION]
    log.begin_transaction()
    write(app, 1)
    log.end_transaction(commits=True)

    app.run(consumer={"isolation_level": "read_committed"})

    assert (app.handled, app.committed) == ([0, 1, 2, 3], 5)


def test_a_partition_in_which_all_was_aborted_is_committed_to_its_end():
    app = App(records=0)
    log = app.cluster.logs[PARTITION]
    log.begin_transaction()
    write(app, 3_000)
    log.end_transaction(commits=False)

    app.run(consumer={"isolation_level": "read_committed"})

    assert (app.handled, app.committed) == ([], 3_001)


def test_an_open_transaction_is_not_passed():
    app = App(records=2)
    log = app.cluster.logs[PARTITION]
    log.begin_transaction()
    write(app, 3)
    app.run(consumer={"isolation_level": "read_committed"})
    assert app.committed == 2

    log.end_transaction(commits=True)
    app.run(consumer={"isolation_level": "read_committed"})

    assert (app.handled, app.committed) == ([0, 1, 2, 3, 4], 6)


def test_an_offset_that_is_gone_is_followed_by_the_commit():
    """Retention deleted everything: the policy says where to go on, and that is committed although nothing comes."""
    app = App(records=10)
    app.run()
    app.cluster.append(TOPIC, b"v", b"key", partition=0, gap=20)
    app.cluster.logs[PARTITION].delete_before(31)

    app.run(consumer={"auto_offset_reset": "latest"})

    assert app.committed == 31


def test_an_offset_beyond_the_end_goes_back_with_the_log():
    """The log was truncated or the topic made anew: records written from there on must not count as committed."""
    app = App(records=10)
    app.run()
    app.cluster.delete_topic(TOPIC)
    app.cluster.create_topic(TOPIC)
    write(app, 4)
    app.run(consumer={"auto_offset_reset": "latest"})
    assert app.committed == 4

    before = len(app.handled)
    write(app, 3)
    app.run(consumer={"auto_offset_reset": "latest"})

    assert app.handled[before:] == [4, 5, 6]


@pytest.mark.parametrize("error", [KafkaConnectionError, TopicAuthorizationFailedError])
def test_what_a_failed_poll_had_passed_is_fetched_again(error):
    """The client moves its positions before it sends the next requests; if these fail, its records are gone."""
    app = App(records=3)
    app.cluster.fail("poll", error(), moment="after")
    raised = app.run(consumer={"max_poll_records": 2})
    if error is TopicAuthorizationFailedError:
        assert isinstance(raised, error)
        app.run()

    assert app.handled == [0, 1, 2]


def test_what_comes_of_a_partition_before_it_is_known_to_be_ours_comes_again(monkeypatch):
    """assign() by hand in another thread, at any moment: no rebalance announces it."""
    app = App(records=3)
    consumer = FakeConsumer(cluster=app.cluster, group_id=GROUP, auto_offset_reset="earliest", consumer_timeout_ms=400)
    app.cluster.create_topic("other")
    app.cluster.append("other", b"x", partition=0)
    consumer.assign([TopicPartition("other", 0)])
    original, polls = Fetcher.fetched_records, []

    def fetched_records(self, *arguments):
        polls.append(1)
        if len(polls) == 3:
            consumer.assign([TopicPartition("other", 0), PARTITION])
        return original(self, *arguments)

    monkeypatch.setattr(Fetcher, "fetched_records", fetched_records)
    app.run_on(consumer)

    assert sorted(app.handled) == [0, 0, 1, 2]
    assert app.committed == 3


def test_a_commit_after_a_jump_back_does_not_pass_it(monkeypatch):
    """Nothing comes of the partition, and the look now and then is far away, as while a hook holds the loop up."""
    monkeypatch.setattr(positions, "LOOK", 3600.0)
    app, commits = App(records=4), []
    is_handled, is_committed = threading.Event(), threading.Event()
    app.cluster.on_commit = lambda _, offsets: (commits.append(offsets[PARTITION].offset), is_committed.set())
    quiet = {"auto_commit_interval_ms": 3_600_000, "consumer_timeout_ms": 60_000}
    consumer = app.consumer(**quiet)
    with ParallelConsumer(consumer, install_signal_handlers=False) as parallel:
        parallel.start(lambda record: is_handled.set() if record.offset == 3 else None)
        assert is_handled.wait(30)
        consumer.pause(PARTITION)
        commits.clear()
        is_committed.clear()

        consumer.seek(PARTITION, 1)
        consumer.commit()

        assert is_committed.wait(30)
    assert commits[0] == 1


def test_a_jump_back_is_said_once_with_the_number_of_records_that_are_given_up(caplog):
    caplog.set_level("INFO")
    app, has_begun, may_end = App(records=4), threading.Event(), threading.Event()
    offsets = []

    def handle(record):
        offsets.append(record.offset)
        if record.offset == 2:
            has_begun.set()
            assert may_end.wait(60)

    consumer = app.consumer(consumer_timeout_ms=60_000)
    with ParallelConsumer(consumer, workers=1, install_signal_handlers=False) as parallel:
        parallel.start(handle)
        assert has_begun.wait(30)
        consumer.seek(PARTITION, 1)
        until(lambda: "goes back" in caplog.text)
        may_end.set()
        until(lambda: offsets.count(3) == 1)

    said = [record.getMessage() for record in caplog.records if "goes back" in record.getMessage()]
    assert len(said) == 1
    assert said[0].startswith(f"{TOPIC}[0] goes back from offset 4 to 1, by a seek() of the application")
    assert ": 2 records that were taken and not finished are given up, and come again" in said[0]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_jump_back_counts_while_the_run_stops_although_a_poll_failed(moment, caplog):
    """Polls keep the member in its group while the last record runs: one that fails ends no trust in later ones."""
    app, has_begun, may_end = App(records=4), threading.Event(), threading.Event()

    def handle(record):
        if record.offset == 3:
            has_begun.set()
            assert may_end.wait(60)

    consumer = app.consumer(consumer_timeout_ms=60_000)
    parallel = ParallelConsumer(consumer, install_signal_handlers=False)
    parallel.start(handle)
    assert has_begun.wait(30)

    parallel.stop()
    app.cluster.fail("poll", KafkaConnectionError(), times=2, moment=moment)  # the loop may end with a poll of its own
    until(lambda: "poll() failed while the last records were finished" in caplog.text)
    consumer.seek(PARTITION, 1)
    may_end.set()

    assert parallel.join(60_000)
    assert app.committed == 1


@pytest.mark.parametrize(
    ("jump", "again"),
    [
        (lambda consumer: consumer.seek(PARTITION, 1), [1, 2, 3, 4, 5]),
        (lambda consumer: consumer.seek_to_beginning(PARTITION), [0, 1, 2, 3, 4, 5]),
        (lambda consumer: consumer.seek_to_beginning(), [0, 1, 2, 3, 4, 5]),
        (lambda consumer: consumer.seek(PARTITION, 5), [5]),
    ],
)
def test_a_jump_counts_that_comes_while_a_poll_runs_which_passes_its_target_and_fails(monkeypatch, jump, again):
    app, jumps, original = App(records=4), [jump], Fetcher.fetched_records
    consumer = FakeConsumer(TOPIC, cluster=app.cluster, group_id=GROUP, auto_offset_reset="earliest",
                            consumer_timeout_ms=800)  # fmt: skip

    def fetched_records(self, *arguments):
        if jumps and len(app.handled) == 4:
            write(app, 2)
            jumps.pop()(consumer)
            app.cluster.fail("poll", KafkaConnectionError(), moment="after")
        return original(self, *arguments)

    monkeypatch.setattr(Fetcher, "fetched_records", fetched_records)
    app.run_on(consumer)

    assert app.handled == [0, 1, 2, 3, *again]


def test_a_jump_between_two_polls_counts_although_the_second_passes_its_target_and_fails():
    app = App(records=4)
    consumer = app.consumer(consumer_timeout_ms=800)
    jumps = [1]

    class Jumping:
        @hookimpl
        def on_commit(self):
            if jumps and len(app.handled) == 4:
                consumer.seek(PARTITION, jumps.pop())
                app.cluster.fail("poll", KafkaConnectionError(), moment="after")

    parallel = ParallelConsumer(consumer, workers=2, install_signal_handlers=False, plugins=[Jumping()])
    parallel.run(app.handle(lambda _: None))

    assert app.handled == [0, 1, 2, 3, 1, 2, 3]


def test_unchanged_offsets_are_committed_again(monkeypatch):
    """A broker forgets an offset that is not committed for long, if a group has no members: with assign()."""
    monkeypatch.setattr(commit_schedule, "RENEWAL", 0.1)
    app = App(records=2)
    commits, is_renewed = [], threading.Event()

    def note(_, offsets):
        commits.append(offsets[PARTITION].offset)
        if commits.count(2) == 3:
            is_renewed.set()

    app.cluster.on_commit = note
    with app.parallel(consumer={"consumer_timeout_ms": 60_000}) as parallel:
        parallel.start(lambda _: None)
        assert is_renewed.wait(30)
