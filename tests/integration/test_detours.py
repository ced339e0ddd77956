"""Kind: the program reaches a consumer that is run by ways that look no method up on it; on a real broker."""

from __future__ import annotations

import threading

import pytest
from kafka import TopicPartition

from kafka_parallel import ParallelConsumer, StateError
from tests.integration.kafka_app import committed, consume, observer, produce, wait_for

pytestmark = pytest.mark.broker
# A thread inside of the client's own iterator when the run starts may still move the position by a record.
KNOWN_RACE = pytest.mark.xfail(strict=False, reason="the client's generator of an iteration cannot be taken back")


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


@pytest.mark.parametrize("by", ["poll", pytest.param("iteration", marks=KNOWN_RACE)])
def test_a_thread_that_was_waiting_before_the_run_gets_no_record_of_it(kafka_broker, topic, by):
    bootstrap = kafka_broker.bootstrap_servers
    name = topic(1)
    consumer, got = consume(bootstrap, name, "g-" + name, consumer_timeout_ms=20_000), []
    wait_for(lambda: consumer.poll(200) or consumer.assignment(), "the consumer to have its partition")
    begins = threading.Event()
    own_poll = consumer._poll_once

    def poll_once(*arguments, **options):
        begins.set()
        return own_poll(*arguments, **options)

    def read():
        try:
            got.append(consumer.poll(20_000) if by == "poll" else next(consumer))
        except StateError as error:
            got.append(error)

    consumer._poll_once = poll_once
    reader = threading.Thread(target=read)
    reader.start()
    assert begins.wait(30)
    handled = []
    parallel = ParallelConsumer(consumer)
    parallel.start(lambda record: handled.append(record.offset))
    produced = produce(bootstrap, name, 50)
    wait_for(lambda: len(handled) == 50, "everything to be handled")
    parallel.stop()
    parallel.join()
    reader.join(30)

    assert isinstance(got[0], StateError)
    assert sorted(handled) == list(range(50))
    assert committed(bootstrap, "g-" + name, produced) == {0: 50}
