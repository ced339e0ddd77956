"""Kind: the program reaches a consumer that is run by ways that look no method up on it; on a real broker."""

from __future__ import annotations

import sys
import threading

import pytest
from kafka import KafkaConsumer, TopicPartition

from kafka_parallel import ParallelConsumer, StateError
from tests.integration.kafka_app import PATIENCE, committed, consume, observer, produce, wait_for

pytestmark = pytest.mark.broker
DESERIALIZER = pytest.mark.filterwarnings("ignore:.*does not implement kafka.serializer.Deserializer")


def test_a_commit_that_was_bound_before_the_run_passes_no_unfinished_record(kafka_broker, topic):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(1), 100)
    group, partition, seen = "g-" + produced.topic, TopicPartition(produced.topic, 0), []
    consumer = consume(bootstrap, produced.topic, group, auto_commit_interval_ms=600_000)
    bound, handled = consumer.commit, set()

    def handle(record):
        if record.offset == 0:
            wait_for(lambda: len(handled) == 99, "all other records to be handled")
            bound()
            with observer(bootstrap, group) as asking:
                seen.append(asking.committed(partition))
        handled.add(record.offset)

    ParallelConsumer(consumer, ordering="unordered", workers=4).run(handle)

    assert seen[0] in {None, 0}
    assert committed(bootstrap, group, produced) == {0: 100}


# How far a thread that reads the consumer is when the run begins: it waits for records, has them, or is past the last
# look at whether they may be returned. With it the method in which it stands, and its caller.
STAGES = {
    ("poll", "waiting"): ("_poll_once", "poll"),
    ("poll", "returning"): ("value_deserializer", ""),
    ("iteration", "waiting"): ("_poll_once", "poll"),
    ("iteration", "reading"): ("poll", "_message_generator_v2"),
    ("iteration", "returning"): ("is_fetchable", "_message_generator_v2"),
}


class Reader:
    """A thread that reads a consumer, and stands still at a stage until it may go on."""

    def __init__(self, by, stage):
        self.stands, self.may_go_on, self.got = threading.Event(), threading.Event(), []
        self._by, (self._name, self._caller) = by, STAGES[by, stage]
        self._thread = threading.Thread(target=self._go)

    def start(self, consumer):
        self._read = {"poll": lambda: consumer.poll(PATIENCE * 1000), "iteration": lambda: next(consumer)}[self._by]
        owner = consumer._subscription if self._name == "is_fetchable" else consumer
        if own := getattr(owner, self._name, None):
            setattr(owner, self._name, lambda *arguments, **options: self._stand_in(own, *arguments, **options))
        self._thread.start()
        assert self.stands.wait(PATIENCE)

    def _stand_in(self, own, *arguments, **options):
        if self._name == "_poll_once":
            self._stand(sys._getframe(2))
            return own(*arguments, **options)
        found = own(*arguments, **options)
        self._stand(sys._getframe(2))
        return found

    def _stand(self, caller):
        is_here = threading.current_thread() is self._thread and caller.f_code.co_name == self._caller
        if is_here and not self.stands.is_set():
            self.stands.set()
            assert self.may_go_on.wait(PATIENCE)

    def deserialize(self, value):
        if self._name == "value_deserializer" and threading.current_thread() is self._thread:
            self.stands.set()
            assert self.may_go_on.wait(PATIENCE)
        return value

    def go_on(self):
        self.may_go_on.set()
        self._thread.join(PATIENCE)

    def _go(self):
        try:
            self.got.append(self._read())
        except StateError as error:
            self.got.append(error)


def run_beside(kafka_broker, name, by, stage):
    """Run beside a thread that stands at *stage* when 50 records are there; return its records, and handled ones."""
    bootstrap, group, handled = kafka_broker.bootstrap_servers, "g-" + name, []
    partition = TopicPartition(name, 0)
    reader = Reader(by, stage)
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest",
        value_deserializer=reader.deserialize,
    )  # fmt: skip
    consumer.assign([partition])  # a bare poll loop may wait for ever for one of a topic that is new: it forgets joins
    consumer.poll(0)
    produced = produce(bootstrap, name, 50)
    reader.start(consumer)
    consumer.pause(partition)  # so the run begins and fetches nothing before the thread goes on
    parallel = ParallelConsumer(consumer)
    parallel.start(lambda record: handled.append(record.offset))
    wait_for(lambda: parallel.state == "running", "the run to begin")
    wait_for(lambda: parallel.statistics().committed.get(partition) == 0, "the begin to be committed")
    reader.go_on()
    consumer.resume(partition)
    wait_for(lambda: len(handled) == 50 or parallel.statistics().committed.get(partition) == 50, "the end")
    parallel.stop()
    parallel.join()
    assert sorted(handled) == list(range(50))
    assert committed(bootstrap, group, produced) == {0: 50}
    return reader.got[0]


@DESERIALIZER
@pytest.mark.parametrize(("by", "stage"), [("poll", "waiting"), ("iteration", "waiting"), ("iteration", "reading")])
def test_a_thread_that_was_reading_before_the_run_gets_no_record_of_it(kafka_broker, topic, by, stage):
    assert isinstance(run_beside(kafka_broker, topic(1), by, stage), StateError)


@DESERIALIZER
@pytest.mark.parametrize("by", ["poll", "iteration"])
def test_what_a_thread_returns_all_the_same_is_handled_by_the_run_as_well(kafka_broker, topic, by, caplog):
    """Its position said that it had been handed out: it was committed, and never reached the handler."""
    got = run_beside(kafka_broker, topic(1), by, "returning")

    assert not isinstance(got, StateError)
    assert "records from offset 0 on were handed to a thread" in caplog.text
