"""The program's acts on its consumer beside a run, before it and in another process; the bare client beside ours.

Kinds: another user of the client; a client that was used before; an error that is not the client's own; a member whose
place was taken; a record that the client cannot read.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time

import pytest
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.errors import CorruptRecordError

from kafka_parallel import ConfigurationError, MemberFenced, ParallelConsumer, RecordUnreadable, StateError
from kafka_parallel._runtime.client.prefetched import forget_parsed
from tests.integration.kafka_app import IDLE_MS, committed, consume, ends, observer, produce, wait_for

# Plain functions as deserialisers, which kafka-python 3 still takes, and warns of.
pytestmark = [pytest.mark.broker, pytest.mark.filterwarnings("ignore:value_deserializer does not:DeprecationWarning")]
UNREADABLE = (UnicodeDecodeError, CorruptRecordError)  # 2.x and 3.x
HAS_STATIC = "group_instance_id" in KafkaConsumer.DEFAULT_CONFIG


class Handler:
    """Notes the records it handled, and calls *act* at each one."""

    def __init__(self, act=lambda record: None):
        self._act = act
        self.records = []

    def __call__(self, record):
        self._act(record)
        self.records.append(record)

    @property
    def places(self):
        return sorted((record.partition, record.offset) for record in self.records)


def all_of(produced):
    return sorted((partition, offset) for partition, keys in produced.keys.items() for offset in keys)


# Another user of the client


def test_a_leftover_loop_takes_nothing(kafka_broker, topic):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(2), 4000)
    group, answers, has_begun = "g-" + produced.topic, [], threading.Event()
    consumer = consume(bootstrap, produced.topic, group)

    def leftover():
        has_begun.wait(IDLE_MS / 1000)
        for act in (
            lambda: [record for record in consumer],  # noqa: C416 - a loop
            lambda: consumer.poll(500),
            lambda: consumer.commit({TopicPartition(produced.topic, 0): OffsetAndMetadata(2000, "", -1)}),
            consumer.unsubscribe,
        ):
            try:
                answers.append(act())
            except StateError as error:
                answers.append(error)

    thread = threading.Thread(target=leftover)
    thread.start()
    handle = Handler(lambda _: has_begun.set())
    ParallelConsumer(consumer).run(handle)
    thread.join()

    assert [type(answer) for answer in answers] == [StateError] * 4
    assert handle.places == all_of(produced)
    assert committed(bootstrap, group, produced) == ends(produced)


def test_closing_it_in_a_signal_handler_means_to_stop(kafka_broker, topic):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(1), 2000)
    group = "g-" + produced.topic
    consumer = consume(bootstrap, produced.topic, group, consumer_timeout_ms=float("inf"))

    def terminate(record):
        time.sleep(0.001)
        if record.offset == 100:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, lambda *_: consumer.close())
    try:
        handle = Handler(terminate)
        ParallelConsumer(consumer, install_signal_handlers=False).run(handle)
    finally:
        signal.signal(signal.SIGTERM, before)

    assert committed(bootstrap, group, produced) == {0: len(handle.records)}  # 2.3 repeated 79
    assert handle.places == [(0, offset) for offset in range(len(handle.records))]


# The client was used before


def json_in_json(bootstrap, name, count):
    """Each value is a JSON text that holds a JSON text."""
    return produce(bootstrap, name, count, value=json.dumps(json.dumps({"a": 1})).encode())


def bare_values(bootstrap, name, count, **config):
    consumer = consume(bootstrap, name, None, consumer_timeout_ms=float("inf"), **config)
    values = []
    while not values:
        values = [record.value for records in consumer.poll(5000, max_records=3).values() for record in records]
    values += [next(consumer).value for _ in range(count - len(values))]
    consumer.close()
    return values


@pytest.mark.parametrize("how", ["poll", "iteration", "parked"])
def test_what_was_parsed_before_the_run_is_deserialised_once(kafka_broker, topic, how):
    bootstrap = kafka_broker.bootstrap_servers
    produced = json_in_json(bootstrap, topic(1), 50)
    group, partition = "g-" + produced.topic, TopicPartition(produced.topic, 0)
    config = {"value_deserializer": json.loads}
    consumer = consume(bootstrap, produced.topic, group, **config)

    if how == "iteration":
        first = [next(consumer) for _ in range(3)]
    else:
        first = []
        while not first:
            first = consumer.poll(500, max_records=3).get(partition, [])
    if how == "parked":  # 3.x keeps the parsed records of a paused partition elsewhere
        consumer.pause(partition)
        consumer.poll(0)
        consumer.resume(partition)
    handle = Handler()
    ParallelConsumer(consumer).run(handle)

    values = [record.value for record in [*first, *handle.records]]
    assert values == bare_values(bootstrap, produced.topic, 50, **config) == [json.dumps({"a": 1})] * 50
    assert [record.offset for record in first] == [0, 1, 2]
    assert handle.places == [(0, offset) for offset in range(3, 50)]
    assert committed(bootstrap, group, produced) == {0: 50}  # the position counts, as on the bare client


def test_draining_drops_what_was_parsed_and_seeking_to_the_position_does_not(kafka_broker, topic):
    bootstrap = kafka_broker.bootstrap_servers
    produced = json_in_json(bootstrap, topic(1), 20)
    partition = TopicPartition(produced.topic, 0)
    consumer = consume(bootstrap, produced.topic, None, value_deserializer=json.loads)

    def take(count):
        found = []
        while len(found) < count:
            found += consumer.poll(500, max_records=count - len(found)).get(partition, [])
        return found

    take(3)
    consumer._fetcher.config["value_deserializer"] = None
    consumer.seek(partition, consumer.position(partition))
    parsed = take(3)
    forget_parsed(consumer._fetcher)
    fetched_again = take(14)
    consumer.close()

    assert {type(record.value) for record in parsed} == {str}
    assert {type(record.value) for record in fetched_again} == {bytes}
    assert [record.offset for record in parsed + fetched_again] == list(range(3, 20))


@pytest.mark.parametrize("wrapped", ["before the fork", "in the child"])
def test_a_consumer_of_another_process_is_refused(kafka_broker, topic, wrapped):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(1), 10)
    consumer = consume(bootstrap, produced.topic, "g-" + produced.topic)
    parallel = ParallelConsumer(consumer) if wrapped == "before the fork" else None

    child = os.fork()
    if child == 0:
        code = 1
        try:
            (parallel or ParallelConsumer(consumer)).run(print)
        except ConfigurationError as error:
            code = 0 if "built in another process" in str(error) else 2
        finally:
            os._exit(code)

    deadline = time.monotonic() + 30
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.02)
    if ended == (0, 0):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert ended == (child, 0)
    handle = Handler()
    (parallel or ParallelConsumer(consumer)).run(handle)
    assert handle.places == all_of(produced)  # the parent's is unharmed


# An error that is not the client's own


class TryAgainError(Exception):
    """A user's error with the attribute of kafka-python's errors."""

    retriable = True


def test_an_error_of_the_users_deserialiser_ends_the_run_after_what_was_taken(kafka_broker, topic):
    bootstrap = kafka_broker.bootstrap_servers
    name = topic(1)
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    for number in range(20):
        producer.send(name, b"%d" % number)
    producer.close()
    produced = produce(bootstrap, name, 1)

    def deserialise(data):
        if data == b"15":
            raise TryAgainError("no registry")
        return data

    bare = consume(bootstrap, name, None, value_deserializer=deserialise)
    seen = []
    with pytest.raises(TryAgainError):
        seen.extend(iter(bare))
    bare.close()
    group, handle = "g-" + name, Handler(lambda _: time.sleep(0.05))
    consumer = consume(bootstrap, name, group, value_deserializer=deserialise)
    with pytest.raises(TryAgainError, match="no registry"):
        ParallelConsumer(consumer, workers=1, lazy_deserialization=False).run(handle)

    assert [record.offset for record in seen] == list(range(15))
    assert handle.places == [(0, offset) for offset in range(15)]
    assert committed(bootstrap, group, produced) == {0: 15}


# A member whose place was taken


@pytest.mark.skipif(not HAS_STATIC, reason="2.2 has no static members")
@pytest.mark.parametrize("is_quiet", [True, False])
def test_a_fenced_member_ends_and_names_its_id(kafka_broker, topic, is_quiet):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(1), 20)
    group = "g-" + produced.topic
    config = {
        "group_instance_id": "payments-1", "heartbeat_interval_ms": 300, "session_timeout_ms": 6000,
        "consumer_timeout_ms": float("inf"), "auto_commit_interval_ms": 600_000,
    }  # fmt: skip
    handle = Handler()
    parallel = ParallelConsumer(consume(bootstrap, produced.topic, group, **config))
    parallel.start(handle)
    wait_for(lambda: len(handle.records) == 20, "the first member to handle everything")
    younger = consume(bootstrap, produced.topic, group, enable_auto_commit=False, **config)
    wait_for(lambda: younger.poll(200) or younger.assignment(), "the second member to take its place")
    if not is_quiet:
        produce(bootstrap, produced.topic, 5)

    with pytest.raises(MemberFenced, match="'payments-1'"):
        assert parallel.join(timeout_ms=600_000)
    younger.close()

    assert committed(bootstrap, group, produced) == {0: 0}  # its finished records are its successor's now


# A record that the client cannot read


class BadName(str):
    """A header name that producers of other languages can write."""

    __slots__ = ()

    def encode(self, *_):
        return b"\xff\xfe"


@pytest.fixture
def unreadable(kafka_broker, topic):
    """550 records in one partition; 20 in the other, of which the one at offset 10 cannot be read."""
    bootstrap, name = kafka_broker.bootstrap_servers, topic(2)
    producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=0)
    for _ in range(550):
        producer.send(name, b"good", partition=0)
    for number in range(20):
        headers = [(BadName("name"), b"")] if number == 10 else []
        producer.send(name, b"%d" % number, partition=1, headers=headers).get(10)  # a batch of its own
    producer.close()
    return name


def test_only_the_partition_of_a_record_that_cannot_be_read_stands_still(kafka_broker, unreadable, caplog):
    bootstrap, group = kafka_broker.bootstrap_servers, "g-" + unreadable
    bare = consume(bootstrap, unreadable, None)
    with pytest.raises(UNREADABLE):
        list(bare)
    bare.close()

    handle = Handler()
    parallel = ParallelConsumer(consume(bootstrap, unreadable, group))
    with pytest.raises(RecordUnreadable, match=r"\[1\]@10") as caught:
        parallel.run(handle)

    assert isinstance(caught.value.__cause__, UNREADABLE)
    assert handle.places == [(0, offset) for offset in range(550)] + [(1, offset) for offset in range(10)]
    with observer(bootstrap, group) as asking:
        assert [asking.committed(TopicPartition(unreadable, number)) for number in (0, 1)] == [550, 10]
    assert [record for record in caplog.records if "[1]@10 cannot be read" in record.getMessage()]


def test_a_seek_behind_it_goes_on(kafka_broker, unreadable):
    bootstrap, group = kafka_broker.bootstrap_servers, "g-" + unreadable
    consumer = consume(bootstrap, unreadable, group)
    parallel, handle, partition = ParallelConsumer(consumer), Handler(), TopicPartition(unreadable, 1)
    parallel.start(handle)
    wait_for(lambda: parallel.statistics().unreadable == {partition: 10}, "the partition to stand still")
    assert consumer.paused() == set()  # that is not the user's pause
    consumer.seek(partition, 11)
    parallel.join()

    assert [place for place in handle.places if place[0] == 1] == [(1, n) for n in range(20) if n != 10]
