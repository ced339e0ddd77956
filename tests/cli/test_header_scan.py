"""Topics of dead letters are found by the headers of their newest records."""

from __future__ import annotations

import pytest

from kafka_parallel.cli.header_scan import topics_of_letters
from kafka_parallel.testing import FakeCluster, FakeConsumer

LETTER = [("kafka_dlt-original-topic", b"orders"), ("kafka_dlt-exception-fqcn", b"KeyError")]


def found_in(cluster, *names):
    consumer = FakeConsumer(cluster=cluster, group_id=None, auto_offset_reset="earliest", enable_auto_commit=False)
    return topics_of_letters(consumer, names)


@pytest.mark.parametrize(
    ("headers", "is_found"),
    [
        (LETTER, True),
        ([("__dlq.errors.topic", b"orders")], True),
        ([("trace", b"1")], False),
        ([("retry_topic-attempts", b"\0\0\0\2"), ("kafka_original-topic", b"orders")], False),
        ([*LETTER, ("retry_topic-backoff-timestamp", b"\1\0")], False),
        ([*LETTER, ("kafka-parallel.replayed", b"a/b/0/0")], False),
        ([*LETTER, ("kafka-parallel.prev.kafka-parallel.replayed", b"a/b/0/0")], True),
    ],
)
def test_a_record_tells_of_its_topic(headers, is_found):
    cluster = FakeCluster()
    cluster.create_topic("parked", 3)
    cluster.append("parked", b"v", None, partition=2, headers=headers)

    assert found_in(cluster, "parked") == ({"parked"} if is_found else set())


def test_the_newest_records_count_and_each_partition_is_looked_at():
    cluster = FakeCluster()
    for name in ("parked", "plain", "empty"):
        cluster.create_topic(name, 2)
    for number in range(100):
        cluster.append("parked", b"v", None, partition=number % 2, headers=LETTER if number == 97 else [])
        cluster.append("plain", b"v", None, partition=0, headers=LETTER if number < 90 else [])

    assert found_in(cluster, "parked", "plain", "empty", "no-such") == {"parked"}
    assert found_in(cluster) == set()
