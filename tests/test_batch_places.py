"""A batch handler that changes its list and names records by their place in it loses none of them."""

from __future__ import annotations

import functools

import pytest
from kafka import TopicPartition

from kafka_parallel import Batch, BatchFailed, ConfigurationError, ParallelConsumer, Skip, hookimpl, producing
from kafka_parallel.testing import FakeCluster, FakeConsumer, FakeProducer

TOPIC, OUT, COUNT = "t", "out", 6


class Skipping:
    """Skips what fails, and keeps the offsets."""

    def __init__(self):
        self.skipped = []

    @hookimpl
    def on_error(self, context):
        self.skipped.append(context.raw.offset)
        return Skip("a test")


class AroundBatches:
    """An empty wrapper of batches: it has the handler called another way."""

    @hookimpl(wrapper=True)
    def on_batch(self):
        return (yield)


class App:
    def __init__(self):
        self.cluster = FakeCluster()
        self.cluster.create_topic(TOPIC, 1)
        self.cluster.create_topic(OUT, 1)
        for number in range(COUNT):
            self.cluster.append(TOPIC, b"%d" % number, b"k", partition=0)
        self.skipping = Skipping()

    def run(self, handler, *plugins, **options):
        consumer = FakeConsumer(
            TOPIC, cluster=self.cluster, group_id="g", auto_offset_reset="earliest", consumer_timeout_ms=300
        )
        options = {"install_signal_handlers": False, **options}
        parallel = ParallelConsumer(consumer, plugins=[self.skipping, *plugins], **options)
        parallel.run(handler, batch=Batch(max_records=COUNT, max_wait_ms=10_000))

    def producing(self, handler):
        return producing(handler, OUT, make_producer=functools.partial(FakeProducer, cluster=self.cluster))

    @property
    def committed(self):
        found = self.cluster.committed("g", TopicPartition(TOPIC, 0))
        return 0 if found is None else found.offset


@pytest.fixture
def app():
    return App()


def reverse(records):
    records.reverse()


def filter_in_place(records):
    records[:] = [record for record in records if record.offset != 1]


def take_one(records):
    records.pop(0)


def replace_one(records):
    records[2] = object()


CHANGES = [reverse, filter_in_place, take_one, replace_one]


def failing(change, *, is_async):
    def handle(records):
        change(records)
        raise BatchFailed({0: ValueError("bad")})

    async def handle_async(records):
        handle(records)

    return handle_async if is_async else handle


@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
@pytest.mark.parametrize("plugins", [[], [AroundBatches()]], ids=["bare", "surrounded"])
@pytest.mark.parametrize("change", CHANGES)
def test_places_in_a_changed_list_stop_the_run_and_nothing_is_committed(app, change, plugins, is_async):
    with pytest.raises(Exception, match="the batch handler changed its list") as raised:
        app.run(failing(change, is_async=is_async), *plugins)

    assert isinstance(raised.value.__cause__, ConfigurationError)
    assert app.skipping.skipped == []
    assert app.committed == 0


@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
@pytest.mark.parametrize("change", [reverse, replace_one])
def test_results_for_a_changed_list_are_not_produced(app, change, is_async):
    def handle(records):
        change(records)
        return [ValueError("bad"), *[b"good"] * (COUNT - 1)]

    async def handle_async(records):
        return handle(records)

    with pytest.raises(Exception, match="returned a list of results, which names records by their place"):
        app.run(app.producing(handle_async if is_async else handle))

    assert app.cluster.logs[TopicPartition(OUT, 0)].records == []
    assert app.committed == 0


@pytest.mark.parametrize("change", [lambda records: None, list.clear, lambda records: records[::-1]])
def test_places_count_in_a_list_as_it_came_and_in_one_that_was_emptied(app, change):
    app.run(failing(change, is_async=False))

    assert app.skipping.skipped == [0]
    assert app.committed == COUNT


@pytest.mark.parametrize("change", CHANGES)
def test_a_handler_that_names_no_places_may_change_its_list(app, change):
    app.run(change)

    assert app.committed == COUNT


def reversing(records):
    """Run in another process."""
    records.reverse()
    raise BatchFailed({0: ValueError("bad")})


def test_a_list_is_looked_at_in_another_process_too(app):
    with pytest.raises(Exception, match="the batch handler changed its list"):
        app.run(reversing, executor="process-pool", workers=1)

    assert app.skipping.skipped == []
    assert app.committed == 0
