"""A failed record is in the dead-letter topic before it is committed, or run() stops and it is not committed."""

from __future__ import annotations

import re

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.serializer import Deserializer

from kafka_parallel import ConfigurationError, RecordFailed
from kafka_parallel.outbox import NULL_KEY, ExactBytes
from kafka_parallel.testing.pytest_plugin import broker_or_skip, topic_name
from kafka_parallel_plugins.dlq import DeadLetterQueue, DlqLimit
from tests.integration.kafka_app import IDLE_MS, PATIENCE, committed, consume, ends, produce
from tests.integration.until_committed import UntilCommitted

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def strict_broker():
    """A broker on which a topic that was never created stays missing."""
    with broker_or_skip("jvm", {"auto.create.topics.enable": "false"}) as broker:
        yield broker


def dead_letters(bootstrap, topic):
    """Return the records of *topic*, by partition and offset."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
    consumer.assign(partitions)
    last, found = consumer.end_offsets(partitions), []
    for partition, first in consumer.beginning_offsets(partitions).items():
        consumer.seek(partition, first)  # 2.2's position() never returns where the policy decides
    while any(consumer.position(partition) < last[partition] for partition in partitions):
        for records in consumer.poll(timeout_ms=500).values():
            found += records
    consumer.close()
    return sorted(found, key=lambda record: (record.partition, record.offset))


class Ascii(Deserializer):
    """In both calling conventions: (topic, data) of kafka-python 2.x, (topic, headers, data) of 3.x."""

    def deserialize(self, topic, *rest):
        return rest[-1].decode("ascii")


def refuse(record):
    raise ValueError("no amount")


def test_a_dead_letter_is_the_record_byte_for_byte_and_says_why(kafka_broker, topic):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(3)
    kafka_broker.create_topic(name + "-dlq", 2)
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    forged = [("trace", b"\x00\xff"), ("kafka_dlt-original-topic", b"payroll")]
    sent = producer.send(name, b"\xff\xfe", b"\x00k", headers=forged, partition=2, timestamp_ms=1_700_000_000_123)
    sent.get(timeout=PATIENCE)
    producer.close()
    group = "g-" + name

    # the handler would see text, and the record cannot even be turned into that
    consumer = consume(bootstrap, name, group, value_deserializer=Ascii())
    UntilCommitted(consumer, plugins=["dlq"]).run(lambda record: None)

    [letter] = dead_letters(bootstrap, name + "-dlq")
    assert (letter.partition, letter.key, letter.value) == (0, b"\x00k", b"\xff\xfe")
    assert letter.timestamp > 1_700_000_000_123
    headers = dict(letter.headers)
    assert len(headers) == len(letter.headers)
    assert headers.pop("kafka_dlt-exception-stacktrace").decode().endswith("ordinal not in range(128)\n")
    assert int(headers.pop("kafka-parallel.first-failed-at")) <= letter.timestamp
    message = b"'ascii' codec can't decode byte 0xff in position 0: ordinal not in range(128)"
    assert headers == {
        "trace": b"\x00\xff",
        "kafka-parallel.prev.kafka_dlt-original-topic": b"payroll",
        "__dlq.errors.topic": name.encode(),
        "__dlq.errors.partition": b"2",
        "__dlq.errors.offset": b"0",
        "__dlq.errors.group": group.encode(),
        "__dlq.errors.delivery.count": b"1",
        "__dlq.errors.message": message,
        "kafka_dlt-original-topic": name.encode(),
        "kafka_dlt-original-partition": b"\x00\x00\x00\x02",
        "kafka_dlt-original-offset": b"\x00\x00\x00\x00\x00\x00\x00\x00",
        "kafka_dlt-original-timestamp": b"\x00\x00\x01\x8b\xcf\xe5\x68\x7b",
        "kafka_dlt-original-timestamp-type": b"CreateTime",
        "kafka_dlt-original-consumer-group": group.encode(),
        "kafka_dlt-exception-fqcn": b"builtins.UnicodeDecodeError",
        "kafka_dlt-exception-cause-fqcn": b"builtins.UnicodeDecodeError",
        "kafka_dlt-exception-message": message,
    }


def test_every_failed_record_has_one_dead_letter_and_is_committed(kafka_broker, topic):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(2)
    kafka_broker.create_topic(name + "-dlq", 2)
    produced = produce(bootstrap, name, 300, keys=[None, *(b"%d" % n for n in range(20))])

    def refuse_odd(record):
        if record.offset % 2:
            refuse(record)

    UntilCommitted(consume(bootstrap, name, "g-" + name), plugins=["dlq"]).run(refuse_odd)

    letters = [
        (int(headers["__dlq.errors.partition"]), int(headers["__dlq.errors.offset"]), letter.partition, letter.key)
        for letter in dead_letters(bootstrap, name + "-dlq")
        if (headers := dict(letter.headers))
    ]
    failed = [(p, o, p, key) for p, keys in produced.keys.items() for o, key in keys.items() if o % 2]
    assert sorted(letters, key=lambda letter: letter[:2]) == sorted(failed, key=lambda record: record[:2])
    assert committed(bootstrap, "g-" + name, produced) == ends(produced)


def test_a_record_without_key_and_value_is_one_too(kafka_broker, topic):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(1)
    kafka_broker.create_topic(name + "-dlq", 1)
    producer = KafkaProducer(bootstrap_servers=bootstrap, key_serializer=ExactBytes())
    producer.send(name, value=None, key=NULL_KEY).get(timeout=PATIENCE)
    producer.close()

    UntilCommitted(consume(bootstrap, name, "g-" + name), plugins=["dlq"]).run(refuse)

    [letter] = dead_letters(bootstrap, name + "-dlq")
    assert (letter.key, letter.value) == (None, None)


def test_a_topic_that_is_too_small_for_the_value_gets_the_rest_and_other_letters_are_whole(kafka_broker, topic):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(1)
    kafka_broker.create_topic(name + "-dlq", 1, config={"max.message.bytes": "12000"})
    produced = produce(bootstrap, name, 40, value=b"x" * 100)
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    for size in (11_500, 20_000, 30_000):
        producer.send(name, b"x" * size, b"k", partition=0).get(timeout=PATIENCE)
    producer.close()

    UntilCommitted(consume(bootstrap, name, "g-" + name), ordering="unordered", plugins=["dlq"]).run(refuse)

    found = {
        int(dict(letter.headers)["__dlq.errors.offset"]): letter for letter in dead_letters(bootstrap, name + "-dlq")
    }
    assert sorted(found) == list(range(43))
    assert all(found[offset].value == b"x" * 100 for offset in range(40)), "no letter suffers from another"
    assert all("kafka_dlt-exception-stacktrace" in dict(found[offset].headers) for offset in range(40))
    assert [found[offset].value for offset in (40, 41, 42)] == [None] * 3
    assert dict(found[41].headers)["kafka-parallel.value-omitted"] == b"20000"
    assert committed(bootstrap, "g-" + name, produced) == {0: 43}


def test_a_refused_dead_letter_stops_run_and_commits_nothing_past_its_record(kafka_broker, topic):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(1)
    kafka_broker.create_topic(name + "-dlq", 1, config={"max.message.bytes": "200"})
    produced = produce(bootstrap, name, 5, value=b"x" * 3_000)

    with pytest.raises(RecordFailed, match=f"topic '{name}-dlq' did not acknowledge .*MessageSizeTooLarge") as caught:
        UntilCommitted(consume(bootstrap, name, "g-" + name), ordering="partition", plugins=["dlq"]).run(refuse)

    assert isinstance(caught.value.__cause__, ValueError)
    assert (caught.value.partition, caught.value.offset) == (0, 0)
    assert committed(bootstrap, "g-" + name, produced) == {0: 0}
    assert dead_letters(bootstrap, name + "-dlq") == []


@pytest.mark.parametrize(
    ("limit", "letters"), [(DlqLimit(max_consecutive=5), 5), (DlqLimit(max_ratio=0.5, window=12), 11)]
)
def test_a_broken_handler_does_not_drain_the_topic_into_dead_letters(kafka_broker, topic, limit, letters):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(1)
    kafka_broker.create_topic(name + "-dlq", 1)
    produced = produce(bootstrap, name, 200)
    consumer = consume(bootstrap, name, "g-" + name)

    with pytest.raises(RecordFailed, match="this looks like more than a few bad records"):
        UntilCommitted(consumer, ordering="partition", plugins=[("dlq", {"limit": limit})]).run(refuse)

    assert len(dead_letters(bootstrap, name + "-dlq")) == letters
    assert committed(bootstrap, "g-" + name, produced) == {0: letters}, "the others stay where they are"


def test_a_missing_topic_stops_the_start(strict_broker, request):
    bootstrap, name = strict_broker.bootstrap_servers, topic_name(request.node.name)
    strict_broker.create_topic(name)
    produced, seen = produce(bootstrap, name, 1), []

    with pytest.raises(ConfigurationError, match=f"plugin dlq cannot reach its topic '{name}-dlq'.*create the topic"):
        UntilCommitted(consume(bootstrap, name, "g-" + name), plugins=[DeadLetterQueue(timeout_ms=1_000)]).run(
            seen.append
        )

    assert seen == []
    assert committed(bootstrap, "g-" + name, produced) == {0: 0}


def test_a_topic_found_missing_at_the_first_failure_halts_until_it_is_there(strict_broker, request):
    bootstrap, name = strict_broker.bootstrap_servers, topic_name(request.node.name)
    strict_broker.create_topic(name)
    produced = produce(bootstrap, name, 3)

    def run():
        consumer = KafkaConsumer(
            group_id="g-" + name,
            bootstrap_servers=bootstrap,
            auto_offset_reset="earliest",
            consumer_timeout_ms=IDLE_MS,
        )
        consumer.subscribe(pattern=f"^{re.escape(name)}$")
        UntilCommitted(consumer, ordering="partition", plugins=[DeadLetterQueue(timeout_ms=1_000)]).run(refuse)

    with pytest.raises(RecordFailed, match=r"did not acknowledge its dead letter .*KafkaTimeoutError"):
        run()
    after_halt = committed(bootstrap, "g-" + name, produced)
    strict_broker.create_topic(name + "-dlq")
    run()

    assert after_halt == {0: 0}
    assert len(dead_letters(bootstrap, name + "-dlq")) == 3
    assert committed(bootstrap, "g-" + name, produced) == ends(produced)


def test_a_consumer_of_its_own_dead_letters_is_refused(kafka_broker, topic):
    bootstrap, name, seen = kafka_broker.bootstrap_servers, topic(1), []
    kafka_broker.create_topic(name + "-dlq", 1)
    produced = produce(bootstrap, name, 1)
    consumer = consume(bootstrap, name, "g-" + name)
    consumer.subscribe([name, name + "-dlq"])

    with pytest.raises(
        ConfigurationError, match=f"would write to topic '{name}-dlq', which this consumer reads itself"
    ):
        UntilCommitted(consumer, plugins=["dlq"]).run(seen.append)

    assert seen == []
    assert committed(bootstrap, "g-" + name, produced) == {0: 0}
