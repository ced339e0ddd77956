"""Only the owner of a record decides about it: members that lose it meanwhile, and other groups, stay out."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

import pytest

from kafka_parallel import ParallelConsumer
from tests.integration import process_handler
from tests.integration.kafka_app import KEYS, committed, consume, ends, produce, wait_for
from tests.integration.test_dlq import dead_letters
from tests.integration.until_committed import UntilCommitted

pytestmark = pytest.mark.broker

RECORDS = 12


def member(bootstrap, name, **options):
    consumer = consume(bootstrap, name, "g-" + name, consumer_timeout_ms=60_000)
    return ParallelConsumer(consumer, plugins=["dlq"], revoke_timeout_ms=300, install_signal_handlers=False, **options)


class OutlivesItsAssignment:
    """Handlers of which the first ones stay until they are let go, or are cancelled; then all fail."""

    def __init__(self):
        self.calls, self.go_on, self.lock = [], threading.Event(), threading.Lock()

    def call(self, record):
        with self.lock:
            self.calls.append((record.partition, record.offset))
            return len(self.calls) <= RECORDS

    def handle(self, record):
        if self.call(record):
            assert self.go_on.wait(60)
        raise ConnectionError("the service is gone")

    async def handle_async(self, record):
        if self.call(record):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.go_on.set()
        raise ConnectionError("the service is gone")


@pytest.mark.parametrize("kind", ["thread", "coroutine"])
def test_a_handler_that_fails_after_its_partition_left_writes_no_second_dead_letter(kafka_broker, topic, kind):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(2)
    kafka_broker.create_topic(name + "-dlq", 2)
    produced = produce(bootstrap, name, RECORDS, keys=[b"key-%d" % number for number in range(RECORDS)])
    acts = OutlivesItsAssignment()
    handler = acts.handle if kind == "thread" else acts.handle_async
    first, second = (member(bootstrap, name, workers=RECORDS) for _ in range(2))
    first.start(handler)
    wait_for(lambda: len(acts.calls) == RECORDS, "the first member to be at its records")
    second.start(handler)
    if kind == "thread":
        wait_for(lambda: len(acts.calls) > RECORDS, "records to run again")
        acts.go_on.set()
    wait_for(lambda: committed(bootstrap, "g-" + name, produced) == ends(produced), "everything to be committed")
    first.stop()
    second.stop()
    assert first.join(60_000)
    assert second.join(60_000)

    letters = [dict(letter.headers) for letter in dead_letters(bootstrap, name + "-dlq")]
    places = Counter((letter["__dlq.errors.partition"], letter["__dlq.errors.offset"]) for letter in letters)
    assert len(places) == RECORDS
    assert set(places.values()) == {1}, "the attempts that outlived their assignment were no verdict"
    assert len(acts.calls) > RECORDS, "a partition has moved"


def test_two_groups_with_retry_topics_do_not_handle_what_the_other_failed_at(kafka_broker, topic):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(2)
    produced, handled = produce(bootstrap, name, 60, keys=KEYS), {"a": Counter(), "b": Counter()}
    for letter in handled:
        kafka_broker.create_topic(f"{name}-{letter}-{name}-retry-0", 2)

    def run(letter, *, fails):
        def handle(record):
            place = (record.topic, record.partition, record.offset)
            handled[letter][place] += 1
            if fails and record.offset % 2 and handled[letter][place] == 1:
                raise {name: OSError}[record.topic]("not yet")

        retries = ("retry-topics", {"delays_ms": [300]})
        consumer = consume(bootstrap, name, f"{letter}-{name}")
        UntilCommitted(consumer, ordering="unordered", plugins=[retries]).run(handle)

    run("a", fails=True)
    run("b", fails=False)

    places = [(name, partition, offset) for partition, keys in produced.keys.items() for offset in keys]
    assert handled["a"] == Counter({place: 1 + place[2] % 2 for place in places})
    assert handled["b"] == Counter(places)


def test_what_processes_failed_at_while_members_come_and_go_is_handled_or_dead_lettered(
    kafka_broker, topic, tmp_path, monkeypatch
):
    """Processes are killed for records that left in the middle of others that did not."""
    bootstrap, name = kafka_broker.bootstrap_servers, topic(4)
    kafka_broker.create_topic(name + "-dlq", 4)
    monkeypatch.setenv(process_handler.DONE, str(tmp_path / "done"))
    produced = produce(bootstrap, name, 3000, keys=[b"key-%d" % number for number in range(100)])
    options = {"executor": "process-pool", "workers": 2}
    stays = UntilCommitted(
        consume(bootstrap, name, "g-" + name), plugins=["dlq"], revoke_timeout_ms=20, install_signal_handlers=False,
        **options,
    )  # fmt: skip
    ended = threading.Event()

    def run():
        stays.run(process_handler.fail_at_tens)
        ended.set()

    running = threading.Thread(target=run)
    running.start()
    for _ in range(3):
        comes = member(bootstrap, name, **options)
        comes.start(process_handler.fail_at_tens)
        wait_for(lambda comes=comes: comes.statistics().processed > 20 or ended.is_set(), "a member to work")
        comes.stop()
        assert comes.join(60_000)
    running.join(120)
    assert ended.is_set()

    assert committed(bootstrap, "g-" + name, produced) == ends(produced)
    handled = {tuple(map(int, line.split())) for line in (tmp_path / "done").read_text().splitlines()}
    letters = {
        (int(headers["__dlq.errors.partition"]), int(headers["__dlq.errors.offset"]))
        for headers in (dict(letter.headers) for letter in dead_letters(bootstrap, name + "-dlq"))
    }
    places = {(partition, offset) for partition, keys in produced.keys.items() for offset in keys}
    assert handled | letters == places, "committed, and neither handled nor decided"
    assert letters == {place for place in places if place[1] % 10 == 0}
