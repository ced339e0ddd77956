"""The results of each record are in the topic before it is committed, in order per key, on a real Kafka."""

from __future__ import annotations

from collections import defaultdict

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from kafka_parallel import Batch, ResultNotWritten, Skip, hookimpl, producing
from kafka_parallel.testing.pytest_plugin import broker_or_skip
from tests.integration import producing_handlers as handlers
from tests.integration.kafka_app import PATIENCE, committed, consume, ends, produce
from tests.integration.until_committed import UntilCommitted

pytestmark = pytest.mark.broker

COUNT = 300
KEYS = [b"key-%d" % number for number in range(20)]


def read_all(bootstrap, topic, **config):
    """The records of *topic*, by partition and offset."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, **config)
    partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    last, found = consumer.end_offsets(partitions), []
    while any(consumer.position(partition) < last[partition] for partition in partitions):
        for records in consumer.poll(timeout_ms=500).values():
            found += records
    consumer.close()
    return sorted(found, key=lambda record: (record.partition, record.offset))


def numbered(bootstrap, topic, count=COUNT):
    """Send records whose values are numbers; return where they are, as `produce` does."""
    produced = produce(bootstrap, topic, 0)
    producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=20, acks="all")
    sent = [(KEYS[n % 20], producer.send(topic, b"%d" % n, KEYS[n % 20])) for n in range(count)]
    producer.flush()
    for key, future in sent:
        place = future.get(timeout=PATIENCE)
        produced.keys.setdefault(place.partition, {})[place.offset] = key
    producer.close()
    return produced


@pytest.mark.parametrize(
    ("handler", "batch", "executor"),
    [
        (handlers.enrich, None, None),
        (handlers.enrich_async, None, None),
        (handlers.enrich_all, Batch(max_records=20), None),
        (handlers.enrich_all_async, Batch(max_records=20), None),
        (handlers.enrich_all, Batch(max_records=20), "process-pool"),
    ],
    ids=["threads", "asyncio", "threads-batch", "asyncio-batch", "process-pool-batch"],
)
def test_each_result_is_there_when_its_record_is_committed(kafka_broker, topic, handler, batch, executor):
    bootstrap, source, target = kafka_broker.bootstrap_servers, topic(3), topic(3)
    produced = numbered(bootstrap, source)
    group = "g-" + source
    parallel = UntilCommitted(consume(bootstrap, source, group), workers=4, executor=executor)

    parallel.run(producing(handler, target), batch)

    assert committed(bootstrap, group, produced) == ends(produced)
    values = defaultdict(list)
    for record in read_all(bootstrap, target):
        values[record.key].append(record.value)
    assert values == {key: [b"of %d" % n for n in range(COUNT) if KEYS[n % 20] == key] for key in KEYS}


def test_several_results_come_from_a_process_with_all_they_say(kafka_broker, topic):
    bootstrap, source, target = kafka_broker.bootstrap_servers, topic(1), topic(1)
    produced = numbered(bootstrap, source, 50)
    parallel = UntilCommitted(consume(bootstrap, source, "g-" + source), workers=2, executor="process-pool")

    parallel.run(producing(handlers.enrich_slowly, target))

    found = read_all(bootstrap, target)
    assert len(found) == 100
    assert {record.key for record in found} == set(KEYS)
    assert sorted(int(record.headers[0][1]) for record in found if record.headers) == sorted(produced.keys[0])


class Skipping:
    def __init__(self):
        self.failed = {}

    @hookimpl
    def on_error(self, error, context):
        self.failed[context.raw.offset] = error
        return Skip("a test")


@pytest.mark.parametrize("workers", [1, 8])
def test_results_that_are_too_large_fail_their_records_and_no_others(kafka_broker, topic, workers):
    bootstrap, source, target = kafka_broker.bootstrap_servers, topic(1), topic(1)
    produced = numbered(bootstrap, source, 100)
    skipping = Skipping()
    parallel = UntilCommitted(consume(bootstrap, source, "g-" + source), workers=workers, plugins=[skipping])

    parallel.run(producing(handlers.enlarge_some, target))

    assert sorted(skipping.failed) == [7, 27, 47, 67, 87]
    assert all(isinstance(error, ResultNotWritten) for error in skipping.failed.values())
    assert len(read_all(bootstrap, target)) >= 95
    assert committed(bootstrap, "g-" + source, produced) == ends(produced)


def test_while_the_broker_is_down_records_fail_and_nothing_of_them_is_committed():
    with broker_or_skip("jvm") as broker:
        bootstrap = broker.bootstrap_servers
        broker.create_topic("source")
        broker.create_topic("target")
        produced = numbered(bootstrap, "source", 20)
        skipping = Skipping()

        def kill_once(record):
            if record.offset == 10:
                broker.kill()
                broker.restart()
            return record.value

        config = {"reconnect_backoff_max_ms": 1000}
        parallel = UntilCommitted(consume(bootstrap, "source", "g", **config), workers=1, plugins=[skipping])
        parallel.run(producing(kill_once, "target"))

        assert skipping.failed == {}
        assert {record.value for record in read_all(bootstrap, "target")} == {b"%d" % n for n in range(20)}
        assert committed(bootstrap, "g", produced) == ends(produced)
