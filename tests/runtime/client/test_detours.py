"""Kind: the program reaches the consumer that is run by ways that look no method up on it."""

from __future__ import annotations

import threading
from functools import partial

import pytest
from kafka import OffsetAndMetadata

from kafka_parallel import ParallelConsumer, StateError
from kafka_parallel.testing import FakeConsumer
from tests.runtime.app import GROUP, PARTITION, TOPIC, App

HABITS = pytest.mark.parametrize("habits", ["2.x", "3.x"])
CHOSEN = {PARTITION: OffsetAndMetadata(6, "", -1)}


class Own(FakeConsumer):
    """A user's subclass with methods of other names."""

    def drain(self):
        return super().poll(100)

    def checkpoint(self):
        super().commit()

    def checkpoint_later(self):
        return super().commit_async()

    def close(self, *arguments, **options):
        super().commit()
        super().unsubscribe()
        super().close(*arguments, **options)


def run_with(act, habits="3.x", records=6):
    """Run; the handler of the first record, with all others finished, calls a function that *act* made before."""
    app = App(records)
    consumer = Own(
        TOPIC, cluster=app.cluster, group_id=GROUP, auto_offset_reset="earliest", consumer_timeout_ms=400,
        auto_commit_interval_ms=20, habits=habits,
    )  # fmt: skip
    called, answers, committed = act(consumer), [], []
    others = threading.Semaphore(0)

    def handle(record):
        if record.offset != 0:
            others.release()
            return
        for _ in range(records - 1):
            others.acquire(timeout=30)
        try:
            answers.append(called())
        except Exception as error:
            answers.append(error)
        committed.append(app.committed)

    parallel = ParallelConsumer(consumer, ordering="unordered", workers=2, install_signal_handlers=False)
    parallel.run(app.handle(handle))
    assert consumer._closed
    assert type(consumer) is Own
    return app, answers[0], committed[0]


REFUSED = {
    "bound poll": lambda consumer: consumer.poll,
    "poll of the class": lambda consumer: lambda: FakeConsumer.poll(consumer, 100),
    "poll by super": lambda consumer: consumer.drain,
    "bound next": lambda consumer: consumer.__next__,
    "bound commit": lambda consumer: partial(consumer.commit, CHOSEN),
    "bound commit_async": lambda consumer: partial(consumer.commit_async, CHOSEN),
    "bound subscribe": lambda consumer: partial(consumer.subscribe, ["other"]),
    "bound unsubscribe": lambda consumer: consumer.unsubscribe,
}


@HABITS
@pytest.mark.parametrize("way", REFUSED)
def test_what_would_lose_records_is_refused_whichever_way_it_comes(way, habits):
    app, answer, committed = run_with(REFUSED[way], habits)

    assert isinstance(answer, StateError)
    assert not committed
    assert sorted(app.handled) == list(range(6))
    assert app.committed == 6


COMMITS = {
    "bound commit": lambda consumer: consumer.commit,
    "bound commit_async": lambda consumer: consumer.commit_async,
    "commit by super": lambda consumer: consumer.checkpoint,
    "commit_async by super": lambda consumer: consumer.checkpoint_later,
    "commit of the class": lambda consumer: lambda: FakeConsumer.commit(consumer),
}


@HABITS
@pytest.mark.parametrize("way", COMMITS)
def test_a_bare_commit_passes_no_unfinished_record_whichever_way_it_comes(way, habits):
    app, answer, committed = run_with(COMMITS[way], habits)

    assert not isinstance(answer, Exception)
    assert not committed  # record 0 is not finished
    assert sorted(app.handled) == list(range(6))
    assert app.committed == 6


def test_a_close_that_was_bound_before_the_run_stops_it():
    app, answer, _ = run_with(lambda consumer: super(Own, consumer).close)

    assert isinstance(answer, StateError)
    assert "asked to stop" in str(answer)
    assert app.committed == len(app.handled) == 6


@HABITS
@pytest.mark.parametrize("by", ["poll", "iteration"])
def test_a_thread_that_was_waiting_for_records_before_the_run_gets_none_of_it(by, habits):
    app = App(records=0)
    consumer = app.consumer(habits=habits, consumer_timeout_ms=2000)
    app.cluster.on_call = lambda call, when: waits.set() if call == "poll" else None
    waits, got = threading.Event(), []

    def read():
        try:
            got.append(consumer.poll(20_000) if by == "poll" else next(consumer))
        except StateError as error:
            got.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert waits.wait(30)
    parallel = ParallelConsumer(consumer, install_signal_handlers=False)
    parallel.start(app.handle(lambda _: None))
    for number in range(6):
        app.cluster.append(TOPIC, b"%d" % number, partition=0)
    reader.join(30)
    parallel.join()

    assert isinstance(got[0], StateError)
    assert sorted(app.handled) == list(range(6))
    assert app.committed == 6


class Chained(FakeConsumer):
    """Its commit methods call each other."""

    def commit(self, offsets=None, timeout_ms=None):
        self.commit_async(offsets)


def test_commit_methods_of_the_user_may_call_each_other():
    app = App()
    consumer = Chained(
        TOPIC, cluster=app.cluster, group_id=GROUP, auto_offset_reset="earliest", consumer_timeout_ms=400,
        auto_commit_interval_ms=600_000,
    )  # fmt: skip
    ParallelConsumer(consumer, install_signal_handlers=False).run(app.handle(lambda _: None))
    assert sorted(app.handled) == list(range(6))
