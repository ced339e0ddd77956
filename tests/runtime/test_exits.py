"""The ways out of a run: finished records are committed, and every error on the way is logged and raised."""

from __future__ import annotations

import threading

import pytest
from kafka.errors import NodeNotReadyError, TopicAuthorizationFailedError

from kafka_parallel import CommitFailed, DelayedTopics, hookimpl
from tests.runtime.app import TOPIC, App

# The first records make a worker take many at once; then the handler stops twice.
FIRST, SECOND = 2005, 2010


class Gates:
    """A handler that stops at two records until it is told to go on."""

    def __init__(self) -> None:
        self.gates = {offset: (threading.Event(), threading.Event()) for offset in (FIRST, SECOND)}
        self.done: list[int] = []

    def __call__(self, record) -> None:
        if record.offset in self.gates:
            begun, may_go_on = self.gates[record.offset]
            begun.set()
            may_go_on.wait(60)
        self.done.append(record.offset)

    def has_begun(self, offset: int) -> bool:
        return self.gates[offset][0].wait(60)

    def go_on(self, offset: int) -> None:
        self.gates[offset][1].set()


def stopping(key: bytes | None, stop_timeout_ms: float) -> tuple[App, Gates]:
    """A consumer with one worker that is at FIRST with many records behind it, and was told to stop."""
    app, gates = App(records=0), Gates()
    for number in range(3000):
        app.cluster.append(TOPIC, b"%d" % number, key, partition=0)
    app.consumer_of_test = app.parallel(
        {"consumer_timeout_ms": 60_000, "auto_commit_interval_ms": 60_000}, workers=1,
        ordering="unordered" if key is None else "key", stop_timeout_ms=stop_timeout_ms,
    )  # fmt: skip
    app.consumer_of_test.start(gates)
    assert gates.has_begun(FIRST)
    assert app.consumer_of_test.statistics().in_flight > 20, "the worker has many records, or this shows nothing"
    return app, gates


def stop(app: App) -> None:
    """Tell the consumer to stop, and wait until it takes in nothing more."""
    app.consumer_of_test.stop()
    queue = app.consumer_of_test._engine._scheduler
    while not queue.wait_until(
        lambda scheduler: all(held.draining for held in scheduler.live_assignments.values()), 0.02
    ):
        pass


def test_a_stop_begins_nothing_more_of_what_a_worker_took_and_had_not_begun():
    """The kind: not begun, and run on the way out all the same."""
    app, gates = stopping(None, stop_timeout_ms=60_000)
    gates.go_on(SECOND)
    stop(app)
    gates.go_on(FIRST)
    assert app.consumer_of_test.join(60_000)
    assert app.committed == len(gates.done) == FIRST + 1


def test_what_a_worker_settled_before_a_stuck_record_is_committed_at_the_stop(caplog):
    """The kind: done, not handed over when the last commit is made; and not begun, but said to run."""
    app, gates = stopping(b"one key", stop_timeout_ms=1500)
    stop(app)
    try:
        gates.go_on(FIRST)
        assert gates.has_begun(SECOND)
        assert app.consumer_of_test.join(60_000)
    finally:
        gates.go_on(SECOND)
    assert app.committed == SECOND
    assert "1 records were still running at the end and" in caplog.text


def failing(record) -> None:
    raise ValueError("the record's")


class Ends:
    """A plugin that ends the program in one hook."""

    @hookimpl
    def on_stop(self) -> None:
        raise SystemExit(3)


@pytest.mark.parametrize("is_refused", [False, True])
def test_a_plugin_that_ends_the_program_in_on_stop_leaves_no_run_in_between(is_refused, caplog):
    """The kind: user code that runs after all else, whose error keeps the end from being noted."""

    class Refuses:
        @hookimpl
        def on_start(self) -> None:
            raise ValueError("no start")

    parallel = App(1).parallel(plugins=[Ends(), *([Refuses()] if is_refused else [])])
    with pytest.raises(SystemExit):
        parallel.run(failing)
    assert parallel.state == "failed"
    assert isinstance(parallel.error, SystemExit)
    hidden = [str(line.exc_info[1]) for line in caplog.records if line.exc_info and "came after" in line.message]
    assert len(hidden) == 1
    assert ("no start" if is_refused else "the record's") in hidden[0]


def test_what_ends_the_program_in_on_handled_outdoes_the_failure_of_the_record_and_that_is_said(caplog):
    """The kind: two who stop the consumer, judged in two places."""

    class Handled:
        @hookimpl
        def on_handled(self) -> None:
            raise SystemExit(3)

    with pytest.raises(SystemExit):
        App(1).parallel(plugins=[Handled()]).run(failing)
    assert "record t[0]@0 would have stopped the consumer as well: ValueError" in caplog.text


def test_a_plugin_that_fails_in_on_commit_is_said_when_the_commit_had_failed_before(caplog):
    """The kind: of two errors at once, one is lost."""

    class Wrapper:
        @hookimpl(wrapper=True)
        def on_commit(self):
            try:
                return (yield)
            except Exception:
                raise TypeError("a bug where errors are handled") from None

    app = App(3)
    app.cluster.fail("commit_async", NodeNotReadyError("x"))
    app.parallel(plugins=[Wrapper()]).run(lambda _: None)
    assert any(line.exc_info and "a bug where" in str(line.exc_info[1]) for line in caplog.records)
    assert app.committed == 3


def test_poll_failing_for_good_is_not_put_off_by_a_partition_whose_next_record_is_not_due():
    """The kind: waiting for records that wait for a time, and not for those that were taken."""

    class Delays:
        @hookimpl
        def provide_topics(self):
            return DelayedTopics({"later": TOPIC}, lambda record, now_ms: 1_000_000.0)

    app = App(2)
    app.cluster.create_topic("later")
    app.cluster.append("later", b"v", b"k", partition=0)
    parallel = app.parallel({"max_poll_interval_ms": 600_000}, plugins=[Delays()])
    parallel.start(lambda _: None)
    queue = parallel._engine._scheduler
    while not queue.ask(lambda scheduler: scheduler.backpressure.paused):
        queue.wait_until(lambda _: False, 0.01)
    app.cluster.fail("poll", TopicAuthorizationFailedError("x"), times=1000)
    with pytest.raises(TopicAuthorizationFailedError):
        parallel.join(60_000)
    assert parallel.state == "failed", "it took longer than a minute"


def test_a_revoke_whose_commit_is_refused_for_good_while_it_stops_is_said_and_raised(caplog):
    """The kind: an error in a callback on the way out, that only the loop would have raised."""
    app, begun, may_go_on = App(0), threading.Event(), threading.Event()
    app.cluster.add_partitions(TOPIC, 2)
    for partition in range(2):
        app.cluster.append(TOPIC, b"v", b"k", partition=partition)

    def handle(_) -> None:
        begun.set()
        may_go_on.wait(60)

    parallel = app.parallel({"consumer_timeout_ms": 60_000, "auto_commit_interval_ms": 60_000})
    parallel.start(handle)
    assert begun.wait(60)
    app.consumer_of_test = parallel
    stop(app)
    app.cluster.fail("commit", TopicAuthorizationFailedError("t"))
    other = app.consumer(consumer_timeout_ms=100)
    may_go_on_soon = threading.Timer(0.5, may_go_on.set)
    may_go_on_soon.start()
    while parallel.state == "stopping":
        other.poll(50)
    with pytest.raises(CommitFailed):
        parallel.join(60_000)
    assert parallel.state == "failed"
    assert "revoking t[0]" in caplog.text
    assert "their new owners" not in caplog.text
