"""An answer that the client has kept from an earlier assignment does not say where a later one begins."""

from __future__ import annotations

import pytest
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.future import Future

from kafka_parallel import ParallelConsumer

pytestmark = pytest.mark.broker


def test_partitions_begin_at_their_commits_whatever_the_client_has_kept(kafka_broker, topic):
    name = topic(2)
    partitions = [TopicPartition(name, number) for number in range(2)]
    consumer = KafkaConsumer(
        name, bootstrap_servers=kafka_broker.bootstrap_servers, group_id=name, auto_offset_reset="earliest"
    )
    fill_and_commit(kafka_broker, name, partitions)
    late = dict.fromkeys(partitions, OffsetAndMetadata(1, "", -1))
    consumer._coordinator._offset_fetch_futures[frozenset(partitions)] = Future().success(late)
    seen, parallel = [], ParallelConsumer(consumer, install_signal_handlers=False)

    def handle(record):
        seen.append((record.partition, record.offset))
        if {(0, 4), (1, 4)} <= {*seen}:
            parallel.stop()

    parallel.run(handle)

    assert sorted(seen) == [(0, 3), (0, 4), (1, 3), (1, 4)]


def fill_and_commit(broker, name, partitions):
    """Write five records into each of *partitions*, and commit the third for the group *name*."""
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers)
    for partition in partitions * 5:
        producer.send(name, b"v", partition=partition.partition)
    producer.close()
    other = KafkaConsumer(bootstrap_servers=broker.bootstrap_servers, group_id=name, enable_auto_commit=False)
    other.assign(partitions)
    other.commit(dict.fromkeys(partitions, OffsetAndMetadata(3, "", -1)))
    other.close()
