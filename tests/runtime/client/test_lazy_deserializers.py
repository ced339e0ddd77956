"""The deserialisers of a run are out of poll(), and are found where workers look for them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kafka_parallel import ConfigurationError
from kafka_parallel._runtime.client.changes import Changes
from kafka_parallel._runtime.client.deserializers import PassThrough
from kafka_parallel._runtime.client.lazy_deserializers import DESERIALIZERS, LazyDeserializers
from kafka_parallel.testing import FakeCluster, FakeConsumer


def fetcher_with(key=None, value=None):
    return SimpleNamespace(config=dict(zip(DESERIALIZERS, (key, value), strict=True)), _next_partition_records=None)


def prepared(fetcher, *, lazy=True):
    found = LazyDeserializers(fetcher)
    found.look_up(lazy=lazy)
    return found


@pytest.mark.parametrize("lazy", [False, True])
def test_looking_them_up_changes_nothing(lazy):
    fetcher = fetcher_with(value=str.encode)

    prepared(fetcher, lazy=lazy)

    assert fetcher.config == {"key_deserializer": None, "value_deserializer": str.encode}


@pytest.mark.parametrize("lazy", [False, True])
def test_one_that_cannot_be_called_is_refused(lazy):
    with pytest.raises(ConfigurationError, match="value_deserializer=5 of the KafkaConsumer cannot be called"):
        prepared(fetcher_with(value=5), lazy=lazy)


def test_poll_passes_bytes_through_until_the_end_of_the_run():
    fetcher, changes = fetcher_with(value=bytes.decode), Changes()

    prepared(fetcher).take_out(changes)

    assert fetcher.config["key_deserializer"] is None
    assert isinstance(fetcher.config["value_deserializer"], PassThrough)
    changes.undo()
    assert fetcher.config["value_deserializer"] == bytes.decode


@pytest.mark.parametrize(("value", "is_dropped"), [(bytes.decode, True), (None, False)])
def test_records_that_were_parsed_with_them_are_forgotten(value, is_dropped):
    fetcher, drained = fetcher_with(value=value), []
    fetcher._next_partition_records = SimpleNamespace(drain=lambda: drained.append("drained"))

    prepared(fetcher).take_out(Changes())

    assert bool(drained) is is_dropped


@pytest.mark.parametrize(
    ("lazy", "value", "expected"),
    [(True, bytes.decode, True), (True, None, True), (False, None, True), (False, bytes.decode, False)],
)
def test_poll_returns_bytes_unless_a_deserialiser_stays_in_it(lazy, value, expected):
    assert prepared(fetcher_with(value=value), lazy=lazy).leave_bytes is expected


def test_workers_find_them_by_their_options():
    assert prepared(fetcher_with(value=bytes.decode)).by_option == {
        "key_deserializer": None, "value_deserializer": bytes.decode
    }  # fmt: skip


def test_without_any_a_record_stays_as_it_is():
    assert prepared(fetcher_with()).by_record is None
    assert prepared(fetcher_with(value=bytes.decode), lazy=False).by_record is None


def test_a_raw_record_becomes_the_one_that_the_user_expects():
    cluster = FakeCluster()
    cluster.create_topic("orders", partitions=1)
    cluster.append("orders", b"1", key=b"alice")
    consumer = FakeConsumer("orders", cluster=cluster, auto_offset_reset="earliest", value_deserializer=int)
    deserializers = prepared(consumer._fetcher)
    deserializers.take_out(Changes())

    ((raw,),) = consumer.poll(timeout_ms=1000).values()

    assert raw.value == b"1"
    found = deserializers.by_record(raw)
    assert (found.key, found.value, found.offset) == (b"alice", 1, 0)
