"""The ways out of a run: what is done is committed, and whatever went wrong on the way is said and raised."""

from __future__ import annotations

import threading

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
    queue = app.consumer_of_test._engine._queue
    while not queue.wait_until(lambda scheduler: all(held.draining for held in scheduler.held.values()), 0.02):
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
