"""With `fast-decoder` a real consumer hands out the same records as without, and is left as it was."""

from __future__ import annotations

import logging
import threading
import time

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.serializer import Deserializer

from tests.integration.until_committed import UntilCommitted

pytestmark = pytest.mark.broker

HEADERS = [("trace", b"0123"), ("empty", b""), ("größe", b"\xff")]


class Text(Deserializer):
    def deserialize(self, topic, *rest):
        return rest[-1] and rest[-1].decode()


def produce(broker, topic, compression=None, **options):
    settings = {"bootstrap_servers": broker.bootstrap_servers, "linger_ms": 20, "batch_size": 1 << 17, **options}
    producer = KafkaProducer(compression_type=compression, **settings)
    for number in range(3000):
        key = None if number % 7 == 0 else b"key-%d" % (number % 50)
        value = None if number % 11 == 0 and key else b"%d " % number * (1 + number % 90)
        producer.send(topic, value, key, HEADERS[: number % 4], timestamp_ms=10**12 + 37 * number)
    producer.flush()
    producer.close()


def consumer_of(broker, topic, **options):
    return KafkaConsumer(
        topic,
        bootstrap_servers=broker.bootstrap_servers,
        auto_offset_reset="earliest",
        consumer_timeout_ms=60_000,  # more than a busy machine takes: every use ends by itself
        enable_auto_commit=False,
        **options,
    )


def polled(broker, topic, **options):
    """All records as the client itself hands them out, up to the end of the log."""
    consumer = consumer_of(broker, topic, **options)
    consumer.unsubscribe()
    partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
    consumer.assign(partitions)
    ends, found, until = consumer.end_offsets(partitions), [], time.monotonic() + 120
    while any(consumer.position(partition) < ends[partition] for partition in partitions):
        assert time.monotonic() < until, f"the log of {topic} is not read to its end within 120 s"
        found += [record for records in consumer.poll(timeout_ms=200).values() for record in records]
    consumer.close()
    return found


def handled(broker, topic, plugins=("fast-decoder",), **options):
    """All records as handlers get them with these plugins, in the order of the log, and the consumer."""
    consumer = consumer_of(broker, topic, group_id=f"{topic}-group", **options)
    found, lock, classes = [], threading.Lock(), set()

    def handle(record):
        with lock:
            found.append(record)
            classes.add(consumer._fetcher.PartitionRecords)

    UntilCommitted(consumer, workers=4, plugins=plugins, install_signal_handlers=False).run(handle)
    assert classes.isdisjoint({type(consumer._fetcher).PartitionRecords})
    return sorted(found, key=lambda record: (record.partition, record.offset)), consumer


@pytest.mark.parametrize(("plugins", "is_put_in"), [((), True), (("no:fast-decoder",), False)])
def test_it_is_on_unless_it_is_blocked(kafka_broker, topic, plugins, is_put_in, caplog):
    name = topic(1)
    produce(kafka_broker, name)
    with caplog.at_level(logging.INFO, "kafka_parallel"):
        found, _ = handled(kafka_broker, name, plugins)

    assert found == polled(kafka_broker, name)
    assert ("fast-decoder" in caplog.text) == is_put_in
    assert "kafka-python decodes" not in caplog.text


@pytest.mark.parametrize("compression", [None, "gzip", "snappy", "lz4", "zstd"])
def test_records_are_the_same_and_the_consumer_is_as_it_was(kafka_broker, topic, compression, caplog):
    name = topic(2)
    produce(kafka_broker, name, compression)
    with caplog.at_level(logging.WARNING, "kafka_parallel"):
        found, consumer = handled(kafka_broker, name, max_partition_fetch_bytes=20_000)

    expected = sorted(polled(kafka_broker, name), key=lambda record: (record.partition, record.offset))
    assert len(expected) == 3000
    assert found == expected
    assert {type(record) for record in found} == {type(record) for record in expected}
    assert [record.getMessage() for record in caplog.records if "kafka-python decodes" in record.getMessage()] == []
    assert "PartitionRecords" not in vars(consumer._fetcher)


def test_the_brokers_timestamps_are_the_same(kafka_broker, topic):
    name = topic(1, config={"message.timestamp.type": "LogAppendTime"})
    produce(kafka_broker, name)

    found, _ = handled(kafka_broker, name)

    assert found == polled(kafka_broker, name)
    assert {record.timestamp_type for record in found} == {1}


def test_deserialisers_still_run_in_the_worker(kafka_broker, topic):
    name = topic(1)
    produce(kafka_broker, name)

    found, _ = handled(kafka_broker, name, value_deserializer=Text())

    assert found == polled(kafka_broker, name, value_deserializer=Text())
    assert any(isinstance(record.value, str) for record in found)


def test_a_reader_of_what_is_committed_sees_nothing_else(kafka_broker, topic):
    name = topic(1)
    settings = {"bootstrap_servers": kafka_broker.bootstrap_servers, "transactional_id": name}
    producer = KafkaProducer(**settings)
    producer.init_transactions()
    for number in range(12):
        producer.begin_transaction()
        for _ in range(20):
            producer.send(name, b"%d" % number)
        producer.flush()
        producer.abort_transaction() if number % 3 == 1 else producer.commit_transaction()
    producer.close()

    found, _ = handled(kafka_broker, name, isolation_level="read_committed")

    assert found == polled(kafka_broker, name, isolation_level="read_committed")
    assert {int(record.value) % 3 for record in found} == {0, 2}
    reader = consumer_of(kafka_broker, name, group_id=f"{name}-group")
    committed = reader.committed(TopicPartition(name, 0))
    reader.close()
    assert committed > found[-1].offset
