"""Decoding in slices changes nothing but the time at which handlers get the interpreter."""

from __future__ import annotations

import logging
import threading

import hypothesis.strategies as st
import pytest
from hypothesis import given
from kafka.consumer.fetcher import Fetcher
from kafka.record.memory_records import MemoryRecords

from kafka_parallel import ParallelConsumer
from kafka_parallel._runtime.client import consumer_adapter as client_module
from kafka_parallel._runtime.client import fetcher_patch, slices
from kafka_parallel._runtime.client.consumer_adapter import Client
from kafka_parallel._runtime.client.decoder_check import OnTrial
from kafka_parallel._runtime.client.decoding import DecodedRecords
from kafka_parallel._runtime.client.slices import REST, SlicedRecords, Slices
from kafka_parallel._runtime.loop.poll_loop import Loop
from kafka_parallel.testing import FakeConsumer
from kafka_parallel_plugins.fast_decoder.batch_decoder import decode
from tests.plugins.record_batches import CLIENT, PARTITION, Batch, aborted, marker, reading_with, story
from tests.runtime.app import GROUP, TOPIC, App

ONE = (0, 10**12, b"key", b"value", [("h", b"1")])
SLICED = type("PartitionRecords", (SlicedRecords, CLIENT), {"rest": staticmethod(lambda: None)})
FAST = reading_with(decode)
SLICED_AND_FAST = type(
    "PartitionRecords", (DecodedRecords, SLICED), {"decode": staticmethod(decode), "check": OnTrial()}
)


@pytest.fixture(autouse=True, scope="module")
def short_slices():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slices, "SLICE", 3)
        yield


def log_of(sizes):
    data, offset = bytearray(), 0
    for size in sizes:
        data += Batch([ONE] * size).build(offset)
        offset += size
    return bytes(data)


takes = st.lists(st.integers(1, 10), max_size=8)


@given(st.lists(st.integers(1, 8), max_size=5), takes, st.integers(0, 20))
def test_records_and_positions_are_the_clients(sizes, takes, fetch_offset):
    assert story(SLICED, log_of(sizes), takes, fetch_offset) == story(CLIENT, log_of(sizes), takes, fetch_offset)


@given(st.lists(st.integers(1, 8), max_size=5), takes, st.integers(0, 20))
def test_a_decoder_before_it_is_as_it_is_without(sizes, takes, fetch_offset):
    expected = story(FAST, log_of(sizes), takes, fetch_offset)

    assert story(SLICED_AND_FAST, log_of(sizes), takes, fetch_offset) == expected


@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 20))
def test_records_before_a_broken_batch_are_handed_out_and_then_its_error(good, broken, most):
    data = bytearray(log_of([good, broken]))
    data[-1] ^= 1

    assert story(SLICED, bytes(data), [most, most, most]) == story(CLIENT, bytes(data), [most, most, most])


@pytest.mark.parametrize("is_commit", [True, False])
def test_transactions_are_the_clients(is_commit):
    data = b"".join(
        [
            Batch([ONE] * 4).build(0),
            Batch([ONE] * 4, producer=(7, True)).build(4),
            marker(8, 7, is_commit=is_commit),
            Batch([ONE] * 4).build(9),
        ]
    )
    options = {"isolation_level": 1, "aborted_transactions": [] if is_commit else aborted((7, 4))}

    assert story(SLICED, data, [5, 5], **options) == story(CLIENT, data, [5, 5], **options)


def test_it_rests_between_slices_if_that_is_wanted():
    fetcher, sleeps = Fetcher.__new__(Fetcher), []
    found = Slices(sleeps.append)
    assert found.put(fetcher) == ""

    def take():
        return part_of(fetcher, [10]).take(10)

    assert len(take()) == 10
    assert sleeps == []
    found.are_wanted = True
    assert len(take()) == 10
    assert sleeps == [REST] * 3


def part_of(fetcher, sizes):
    return fetcher.PartitionRecords(0, PARTITION, MemoryRecords(log_of(sizes)))


def test_the_client_gets_its_class_back_at_the_end():
    consumer = FakeConsumer(TOPIC, cluster=App().cluster, group_id=GROUP)
    consumer._fetcher = fetcher = Fetcher.__new__(Fetcher)
    fetcher.config = {}
    client = Client(consumer)
    client.prepare(lazy=True)
    client.take_over(dict, lambda: None, lambda _: None)
    assert issubclass(fetcher.PartitionRecords, SlicedRecords)
    assert client.decode_with(decode, "a decoder") == ""
    assert issubclass(fetcher.PartitionRecords, DecodedRecords)

    client.close(1.0)

    assert fetcher.PartitionRecords is CLIENT


def test_a_client_that_cannot_be_changed_is_used_as_it_is(caplog):
    app = App(3)
    with caplog.at_level(logging.INFO, "kafka_parallel"):
        assert app.run() is None

    (message,) = [record.getMessage() for record in caplog.records if "handlers may wait while" in record.getMessage()]
    assert f"has no {fetcher_patch.NAME} of kafka-python's" in message
    assert app.handled == [0, 1, 2]


class RestingConsumer(FakeConsumer):
    """Rests once in every poll, as a decoder between two slices would; counts polls that only keep the member alive."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.kept_alive = threading.Semaphore(0)

    def poll(self, timeout_ms=0, max_records=None, **kwargs):
        found = super().poll(timeout_ms, max_records, **kwargs)
        self._fetcher.PartitionRecords.rest()
        if max_records == 1:
            self.kept_alive.release()
        return found


@pytest.fixture
def rests(monkeypatch):
    """The rests that were taken; with whatever waits for the first."""
    rested, sleeps = threading.Event(), []

    def sleep(seconds):
        sleeps.append(seconds)
        rested.set()

    monkeypatch.setattr(client_module, "Slices", lambda: Slices(sleep))
    fetcher = FakeConsumer(TOPIC, cluster=App().cluster, group_id=GROUP)._fetcher
    monkeypatch.setattr(type(fetcher), fetcher_patch.NAME, CLIENT, raising=False)
    return rested, sleeps


def consumer_of(records):
    config = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 300}
    return RestingConsumer(TOPIC, cluster=App(records).cluster, group_id=GROUP, **config)


def run(consumer, handler, **options):
    options = {"workers": 1, "ordering": "unordered", "install_signal_handlers": False, **options}
    ParallelConsumer(consumer, **options).run(handler)


def test_what_comes_while_workers_have_enough_to_do_is_decoded_in_slices(rests):
    rested, _ = rests
    waited, consumer = [], consumer_of(12)

    def handle(record):
        """Let the buffer get half empty, by one record whenever the loop has waited; then wait for a rest."""
        waited.append(consumer.kept_alive.acquire(timeout=2) if record.offset < 6 else rested.wait(2))

    run(consumer, handle, max_buffered_records=8)

    assert waited == [True] * 12


def test_nobody_rests_who_did_not_have_to_wait(rests):
    _, sleeps = rests
    handled = []

    run(consumer_of(30), handled.append, max_buffered_records=100)

    assert len(handled) == 30
    assert sleeps == []


@pytest.mark.parametrize("need_more", [True, False])
def test_there_is_no_time_for_slices_if_workers_ran_out_of_work(need_more):
    class Queue:
        def wait_until(self, predicate, timeout):
            return need_more

    loop = Loop.__new__(Loop)
    loop._scheduler = Queue()
    loop._wait_for_workers(0.05)

    assert loop._is_ahead is not need_more
