"""The final state of a real broker when records fail: every one handled or dead-lettered, in order, none twice."""

from __future__ import annotations

import threading
import time
from collections import defaultdict

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.serializer import Deserializer

from kafka_parallel import RecordFailed, hookimpl
from kafka_parallel.testing.history import History, judge, read
from kafka_parallel_plugins.dlq import DeadLetterQueue
from tests.integration.kafka_app import KEYS, committed, consume, ends, produce, wait_for
from tests.integration.test_dlq import dead_letters
from tests.integration.until_committed import UntilCommitted

pytestmark = pytest.mark.broker


class Attempts:
    """Counts the attempts at each record, and keeps their numbers as told by the consumer."""

    def __init__(self):
        self.numbers = defaultdict(list)
        self.lock = threading.Lock()

    @hookimpl(wrapper=True)
    def on_record(self, context):
        with self.lock:
            self.numbers[context.raw.partition, context.raw.offset].append(context.attempt)
        return (yield)


@pytest.mark.parametrize("ordering", ["key", "partition", "unordered"])
def test_fifty_of_ten_thousand_fail_three_times_and_nothing_is_lost_or_reordered(
    kafka_broker, topic, tmp_path, ordering
):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(4)
    produced, history, attempts = produce(bootstrap, name, 10_000, keys=KEYS), History(tmp_path / "h"), Attempts()
    places = [(partition, offset) for partition, keys in produced.keys.items() for offset in keys]
    failing = set(places[:: len(places) // 50][:50])
    retry = ("retry", {"max_attempts": 4, "delay_ms": 200, "multiplier": 1, "jitter": 0})

    def handle(record):
        place = (record.partition, record.offset)
        if place in failing and len(attempts.numbers[place]) <= 3:
            raise OSError("not yet")

    parallel = UntilCommitted(
        consume(bootstrap, name, "g-" + name), ordering=ordering, workers=16, plugins=[attempts, retry]
    )
    parallel.run(history.recording(handle))

    verdict = judge(read(history.path), produced, lane="none" if ordering == "unordered" else ordering)
    assert verdict.is_good, verdict
    assert committed(bootstrap, "g-" + name, produced) == ends(produced)
    assert {place for place, numbers in attempts.numbers.items() if numbers == [1, 2, 3, 4]} == failing
    assert sum(len(numbers) for numbers in attempts.numbers.values()) == 10_000 + 150
    assert parallel.statistics().retried == 150


def test_a_wait_may_be_longer_than_the_poll_interval(kafka_broker, topic):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(1)
    produced, seen = produce(bootstrap, name, 3, keys=[b"a", b"b", b"c"]), []
    intervals = {"max_poll_interval_ms": 5000, "session_timeout_ms": 6000, "heartbeat_interval_ms": 1500}
    retry = ("retry", {"delay_ms": 8000, "max_delay_ms": 8000, "jitter": 0})

    def fail_once(record):
        seen.append(record.offset)
        if seen == [0]:
            raise OSError("not yet")

    parallel = UntilCommitted(
        consume(bootstrap, name, "g-" + name, **intervals), workers=1, plugins=[retry], revoke_timeout_ms=1000
    )
    parallel.run(fail_once)

    assert seen == [0, 1, 2, 0]
    assert committed(bootstrap, "g-" + name, produced) == ends(produced)


def test_an_open_circuit_keeps_the_member_and_commits_what_is_finished(kafka_broker, topic):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(2)
    produced, handled, events = produce(bootstrap, name, 40, keys=KEYS), [], []
    intervals = {"max_poll_interval_ms": 3000, "session_timeout_ms": 2000, "heartbeat_interval_ms": 500}
    while_open, probe_after_ms = {}, 6000

    class Witness:
        @hookimpl
        def on_backpressure(self, event):
            events.append((set(event.paused.values()), {partition.partition for partition in event.resumed}))

        @hookimpl
        def on_revoke(self):
            events.append("revoked")

    def handle(record):
        if len(handled) == 20 and not while_open:
            while_open["at"] = time.monotonic()
            raise ConnectionError("down")
        handled.append((record.partition, record.offset))

    breaker = ("circuit-breaker", {"open_on": [ConnectionError], "probe_after_ms": probe_after_ms})
    parallel = UntilCommitted(
        consume(bootstrap, name, "g-" + name, auto_commit_interval_ms=100, **intervals),
        ordering="unordered", workers=1, plugins=[Witness(), breaker], revoke_timeout_ms=1000,
    )  # fmt: skip
    parallel.start(handle)
    wait_for(lambda: parallel.statistics().throttled == {"circuit-breaker": 0}, "the circuit to open")
    wait_for(lambda: sum(committed(bootstrap, "g-" + name, produced).values()) > 0, "a commit of finished records")
    assert parallel.statistics().throttled == {"circuit-breaker": 0}, "it is committed while the circuit is open"
    assert parallel.join(timeout_ms=600_000)

    assert time.monotonic() - while_open["at"] >= probe_after_ms / 1000
    assert events[:2] == [({"circuit-breaker"}, set()), (set(), {0, 1})], "no rebalance, whatever max_poll_interval_ms"
    assert len(handled) == 40 == len(set(handled))
    assert committed(bootstrap, "g-" + name, produced) == ends(produced)


class Number(Deserializer):
    """In both calling conventions: (topic, data) of kafka-python 2.x, (topic, headers, data) of 3.x."""

    def deserialize(self, topic, *rest):
        return int(rest[-1].decode("ascii"))


def test_one_record_in_a_hundred_cannot_be_deserialised_and_all_others_are_handled(kafka_broker, topic):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(2)
    kafka_broker.create_topic(name + "-dlq", 2)
    good = produce(bootstrap, name, 990, value=b"7")
    produce(bootstrap, name, 10, value=b"\xff\x00bad")
    handled = []

    consumer = consume(bootstrap, name, "g-" + name, value_deserializer=Number())
    UntilCommitted(consumer, plugins=["retry", "dlq"]).run(handled.append)

    assert sorted((r.partition, r.offset) for r in handled) == sorted(
        (p, o) for p, keys in good.keys.items() for o in keys
    )
    assert {r.value for r in handled} == {7}
    letters = dead_letters(bootstrap, name + "-dlq")
    assert [letter.value for letter in letters] == [b"\xff\x00bad"] * 10
    assert {dict(letter.headers)["__dlq.errors.delivery.count"] for letter in letters} == {b"1"}


def poll_all(consumer, values):
    """The records of a bare poll loop, until it raises."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for records in consumer.poll(500).values():
            values += [record.value for record in records]


def test_eager_deserialisation_behaves_as_the_bare_client(kafka_broker, topic):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(1)
    produce(bootstrap, name, 5, value=b"7")
    produce(bootstrap, name, 1, value=b"bad")

    def of(run):
        try:
            run()
        except Exception as error:
            return type(error)
        return None

    bare, handled = [], []
    consumer = consume(bootstrap, name, "bare-" + name, value_deserializer=Number())
    bare_error = of(lambda: poll_all(consumer, bare))
    consumer.close()
    eager = consume(bootstrap, name, "g-" + name, value_deserializer=Number())
    parallel = UntilCommitted(eager, lazy_deserialization=False, ordering="partition")
    error = of(lambda: parallel.run(lambda record: handled.append(record.value)))

    assert error is bare_error is ValueError
    assert set(handled) <= set(bare), "records fetched and not begun when poll() raised are left for the next run"


def test_a_topic_that_cannot_be_written_stops_run_and_nothing_is_lost(kafka_broker, topic):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(1)
    kafka_broker.create_topic(
        name + "-dlq", 1, config={"cleanup.policy": "compact"}
    )  # it takes no record without a key
    produced = produce(bootstrap, name, 5)

    def refuse(record):
        raise ValueError("no amount")

    with pytest.raises(RecordFailed, match=f"topic '{name}-dlq' did not acknowledge"):
        UntilCommitted(
            consume(bootstrap, name, "g-" + name), ordering="partition", plugins=[DeadLetterQueue(timeout_ms=2000)]
        ).run(refuse)

    assert committed(bootstrap, "g-" + name, produced) == {0: 0}


def test_a_record_goes_through_its_retry_topics_across_a_restart(kafka_broker, topic):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(2)
    retry_0, retry_1 = (f"{name}-g-{name}-retry-{number}" for number in range(2))
    for created in (retry_0, retry_1, name + "-dlq"):
        kafka_broker.create_topic(created, 2)
    produced, seen, places = produce(bootstrap, name, 200, keys=KEYS), defaultdict(list), set()
    retries = ("retry-topics", {"delays_ms": [1000, 3000]})

    class Raw:
        @hookimpl(wrapper=True)
        def on_record(self, context):
            seen[context.raw.key].append((context.raw.topic, time.monotonic()))
            return (yield)

    def handle(record):
        places.add((record.key, record.topic, record.partition, record.offset))
        if record.key == KEYS[7]:
            raise {name: OSError}[record.topic]("never")

    def run():
        consumer = consume(bootstrap, name, "g-" + name, auto_offset_reset="earliest")
        return UntilCommitted(consumer, ordering="unordered", plugins=[retries, "dlq", Raw()])

    with run() as first:
        first.start(handle)
        deadline = time.monotonic() + 60
        while len(seen[KEYS[7]]) < 4 and time.monotonic() < deadline:
            time.sleep(0.05)
    assert committed(bootstrap, "g-" + name, produced) == ends(produced), "a waiting record does not hold back commits"
    run().run(handle)

    topics = [topic for topic, _ in seen[KEYS[7]]]
    assert sorted(topics) == [name, name, retry_0, retry_0, retry_1, retry_1]
    times = {topic: min(at for read, at in seen[KEYS[7]] if read == topic) for topic in set(topics)}
    assert times[retry_0] - times[name] >= 0.95
    assert times[retry_1] - times[retry_0] >= 2.9
    assert len(places) == 200, "every attempt saw the place where its record was first read"
    letters = [dict(letter.headers) for letter in dead_letters(bootstrap, name + "-dlq")]
    assert len(letters) == 2
    assert {letter["__dlq.errors.topic"] for letter in letters} == {name.encode()}
    assert {letter["__dlq.errors.delivery.count"] for letter in letters} == {b"3"}
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id="g-" + name, enable_auto_commit=False)
    waiting = [TopicPartition(retry, p) for retry in (retry_0, retry_1) for p in (0, 1)]
    assert {p: consumer.committed(p) or 0 for p in waiting} == consumer.end_offsets(waiting)
    consumer.close()
