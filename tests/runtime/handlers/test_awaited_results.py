"""Beside an ``async def`` handler the answers are awaited; nothing that may block runs on the event loop."""

from __future__ import annotations

import asyncio
import threading
from typing import ClassVar

import pytest
from kafka.errors import KafkaConnectionError

from kafka_parallel import Batch, HandlerTimeout, Result, ResultNotWritten, producing
from kafka_parallel._runtime.handlers import awaited_results
from kafka_parallel.testing import FakeProducer
from tests.runtime.app import App
from tests.runtime.handlers.test_result_delivery import OUT, Producers, Skipping, run, written


class Threaded(FakeProducer):
    """Answers from a thread of its own, as kafka-python does; and notes on which threads it is called."""

    callers: ClassVar[list[str]] = []
    threads: ClassVar[set[threading.Thread]] = set()

    def send(self, topic, **record):
        self.callers.append(threading.current_thread().name)
        self.threads.add(threading.current_thread())
        sent = super().send(topic, **record)
        add_both = sent.add_both
        sent.add_both = lambda function: threading.Thread(target=add_both, args=(function,)).start()
        return sent


class Silent(FakeProducer):
    """Its answers do not come, but those of the first record."""

    def send(self, topic, **record):
        sent = super().send(topic, **record)
        sent.add_both = lambda function: None
        return sent


@pytest.fixture
def app():
    app = App(records=50, executor="asyncio")
    app.cluster.create_topic(OUT, 2)
    Threaded.callers.clear()
    Threaded.threads.clear()
    return app


async def enrich(record):
    await asyncio.sleep(0)
    return b"of " + record.value


async def enrich_all(records):
    await asyncio.sleep(0)
    return [b"of " + record.value for record in records]


def test_results_are_in_the_topic_before_their_record_counts(app):
    assert run(app, enrich, producers=Producers(app.cluster, Threaded)) is None

    assert [record.value for record in written(app)] == [b"of %d" % number for number in range(50)]
    assert app.committed == 50
    assert set(Threaded.callers) == {"kafka-parallel-event-loop"}


def test_a_topic_that_is_not_known_yet_is_written_beside_the_loop_once(app):
    async def other(record):
        return Result(b"v", topic=OUT)

    assert run(app, other, topic=None, producers=Producers(app.cluster, Threaded), workers=1) is None
    assert Threaded.callers[0] == "kafka-parallel-beside"
    assert set(Threaded.callers[1:]) == {"kafka-parallel-event-loop"}


def test_much_that_is_unanswered_is_written_beside_the_loop(app, monkeypatch):
    monkeypatch.setattr(awaited_results, "MOST_UNANSWERED", 3)

    assert run(app, enrich, producers=Producers(app.cluster, Threaded)) is None
    assert set(Threaded.callers) == {"kafka-parallel-beside"}
    assert len(written(app)) == 50


def test_batches_have_results_for_each_record(app):
    assert run(app, enrich_all, batch=Batch(max_records=10), producers=Producers(app.cluster, Threaded)) is None

    assert [record.value for record in written(app)] == [b"of %d" % number for number in range(50)]


class SlowFirst(FakeProducer):
    """Its first record waits for others that would overtake it, if any may; then they are in the topic before."""

    is_first = True
    overtaken = threading.Event()

    def send(self, topic, **record):
        is_first, SlowFirst.is_first = SlowFirst.is_first, False
        if is_first:
            SlowFirst.overtaken.wait(0.3)  # it passes only if all is well
        sent = super().send(topic, **record)
        SlowFirst.overtaken.set()
        return sent


@pytest.mark.parametrize("most_unanswered", [awaited_results.MOST_UNANSWERED, 3])
@pytest.mark.parametrize("topic", [None, OUT])
def test_results_of_a_batch_are_in_the_order_of_their_records(app, monkeypatch, topic, most_unanswered):
    monkeypatch.setattr(awaited_results, "MOST_UNANSWERED", most_unanswered)
    SlowFirst.is_first = True
    SlowFirst.overtaken.clear()

    async def name(records):
        return [Result(b"of " + record.value, b"k", topic=OUT) for record in records]

    batch = Batch(max_records=10)
    assert run(app, name, topic=topic, batch=batch, producers=Producers(app.cluster, SlowFirst)) is None

    numbers = [int(record.value[3:]) for record in written(app)]
    assert numbers == [*range(50)]


def test_a_batch_is_handed_over_by_one_thread_at_most(app, monkeypatch):
    monkeypatch.setattr(awaited_results, "MOST_UNANSWERED", 3)
    producers = Producers(app.cluster, Threaded)

    assert run(app, enrich_all, batch=Batch(max_records=50), producers=producers) is None

    assert len(Threaded.threads) == 1


def test_an_error_is_that_of_the_record(app):
    app.cluster.fail("send", TypeError("refused"))
    skipping = Skipping()

    assert run(app, enrich, plugins=[skipping], workers=1) is None
    assert [(offset, type(error)) for offset, error in skipping.errors.items()] == [(0, ResultNotWritten)]


def test_an_error_of_a_batch_is_that_of_its_record(app):
    app.cluster.fail("send", TypeError("refused"))
    skipping = Skipping()

    assert run(app, enrich_all, batch=Batch(max_records=50), plugins=[skipping]) is None
    assert [(offset, type(error)) for offset, error in skipping.errors.items()] == [(0, ResultNotWritten)]


def test_an_error_that_may_pass_is_tried_again(app):
    app.cluster.fail("send", KafkaConnectionError("gone"))

    assert run(app, enrich) is None
    assert len(written(app)) == 50


def test_answers_that_do_not_come_are_not_waited_for_on_the_loop(app):
    assert run(app, enrich, producers=Producers(app.cluster, Silent), settings={"timeout_ms": 10}, workers=50,
               ordering="unordered") is None  # fmt: skip

    assert app.committed == 50


def test_a_deadline_cancels_the_wait(app):
    skipping = Skipping()

    async def only_first(record):
        return b"v" if record.offset == 0 else None

    assert run(app, only_first, producers=Producers(app.cluster, Silent), plugins=[skipping],
               handler_timeout_ms=50) is None  # fmt: skip
    assert isinstance(skipping.errors[0], HandlerTimeout)
    assert app.committed == 50


def test_run_async_delivers_on_the_applications_loop(app):
    handler = producing(enrich, OUT, make_producer=Producers(app.cluster, Threaded))

    asyncio.run(app.parallel().run_async(handler))

    assert len(written(app)) == 50
