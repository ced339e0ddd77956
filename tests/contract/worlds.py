"""The two Kafkas that a contract is checked against: the fake one, with the habits of either client, and a real one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import kafka
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

from kafka_parallel._runtime.client.consumer_adapter import Client
from kafka_parallel.testing import FakeCluster, FakeConsumer, FakeProducer
from tests.joined_at_once import know_topics

# No test waits longer for anything, in seconds.
PATIENCE = 180.0
# Members that a busy machine does not throw out, not even while it starts another one.
PATIENT = {"session_timeout_ms": 60_000, "heartbeat_interval_ms": 300, "max_poll_interval_ms": 60_000}
# For tests about members that are thrown out: none need wait long for it.
IMPATIENT = {"session_timeout_ms": 2000, "max_poll_interval_ms": 4000}


class FakeWorld:
    """A fake cluster on the clock of this machine."""

    def __init__(self, habits: str) -> None:
        self.is_3 = habits == "3.x"
        self._habits = habits
        self._cluster = FakeCluster()
        self._opened: list[Any] = []

    def create_topic(self, partitions: int = 1) -> str:
        name = f"topic-{len(self._cluster.topics())}"
        self._cluster.create_topic(name, partitions)
        return name

    def append(self, topic: str, count: int = 1, *, partition: int = 0) -> None:
        for _ in range(count):
            self._cluster.append(topic, b"v", b"k", partition=partition)

    def append_transaction(self, topic: str, count: int = 1, *, commits: bool = True) -> None:
        """Append *count* records and the marker of their transaction."""
        log = self._cluster.logs[TopicPartition(topic, 0)]
        log.begin_transaction()
        self.append(topic, count)
        log.end_transaction(commits=commits)

    @contextmanager
    def open_transaction(self, topic: str, count: int = 1) -> Iterator[None]:
        """Append *count* records in a transaction that is committed at the end."""
        log = self._cluster.logs[TopicPartition(topic, 0)]
        log.begin_transaction()
        self.append(topic, count)
        yield
        log.end_transaction(commits=True)

    def stable_end(self, partition: TopicPartition) -> int:
        """The offset up to which a reader with "read_committed" can read."""
        self._cluster.end_late_transactions()
        return self._cluster.log(partition).readable_end("read_committed")

    def delete_before(self, topic: str, offset: int) -> None:
        self._cluster.logs[TopicPartition(topic, 0)].delete_before(offset)

    def consumer(self, *topics: str, **config: Any) -> Any:
        config = {"auto_offset_reset": "earliest", "enable_auto_commit": False, **PATIENT, **config}
        self._opened.append(FakeConsumer(*topics, cluster=self._cluster, habits=self._habits, **config))
        return self._opened[-1]

    def producer(self, **config: Any) -> Any:
        return FakeProducer(cluster=self._cluster, **config)

    def close(self) -> None:
        for consumer in self._opened:
            consumer.close()


class RealWorld:
    """A real broker and the installed kafka-python."""

    is_3 = int(kafka.__version__.split(".")[0]) >= 3

    def __init__(self, broker: Any, topic: Callable[..., str]) -> None:
        self._bootstrap = broker.bootstrap_servers
        self._topic = topic
        self._producer = KafkaProducer(bootstrap_servers=self._bootstrap)
        self._opened: list[Any] = []

    def create_topic(self, partitions: int = 1) -> str:
        return self._topic(partitions)

    def append(self, topic: str, count: int = 1, *, partition: int = 0) -> None:
        for _ in range(count):
            self._producer.send(topic, b"v", b"k", partition=partition)
        self._producer.flush()

    def append_transaction(self, topic: str, count: int = 1, *, commits: bool = True) -> None:
        producer = self._begin_transaction(topic, count)
        if commits:
            producer.commit_transaction()
        else:
            producer.abort_transaction()
        producer.close()

    @contextmanager
    def open_transaction(self, topic: str, count: int = 1) -> Iterator[None]:
        """Append *count* records in a transaction that is committed at the end."""
        producer = self._begin_transaction(topic, count)
        yield
        producer.commit_transaction()
        producer.close()

    def _begin_transaction(self, topic: str, count: int) -> Any:
        if kafka.__version__.startswith("2.2."):
            pytest.skip("2.2's commit_transaction() never returns on this broker")
        producer = KafkaProducer(bootstrap_servers=self._bootstrap, transactional_id=topic)
        producer.init_transactions()
        producer.begin_transaction()
        for _ in range(count):
            producer.send(topic, b"v", b"k", partition=0)
        producer.flush()  # without it, 2.x's abort_transaction() never returns
        return producer

    def stable_end(self, partition: TopicPartition) -> int:
        """The same. The admin client is asked: `asks_as_broker` may be true of the consumer."""
        admin = KafkaAdminClient(bootstrap_servers=self._bootstrap)
        found = admin.list_partition_offsets({partition: -1}, isolation_level="read_committed")
        admin.close()
        return int(found[partition].offset)

    def delete_before(self, topic: str, offset: int) -> None:
        admin = KafkaAdminClient(bootstrap_servers=self._bootstrap)
        admin.delete_records({TopicPartition(topic, 0): offset})
        admin.close()

    def consumer(self, *topics: str, **config: Any) -> Any:
        config = {"auto_offset_reset": "earliest", "enable_auto_commit": False, **PATIENT, **config}
        consumer = KafkaConsumer(bootstrap_servers=self._bootstrap, **config)
        self._opened.append(consumer)
        if topics:
            consumer.subscribe(topics)
        know_topics(consumer)
        return consumer

    def producer(self, **config: Any) -> Any:
        return KafkaProducer(bootstrap_servers=self._bootstrap, max_block_ms=2000, **config)

    def close(self) -> None:
        self._producer.close()
        for consumer in self._opened:
            consumer.close()


def read(consumer: Any, count: int) -> list[Any]:
    """Poll until there are *count* records."""
    found: list[Any] = []
    deadline = time.monotonic() + PATIENCE
    while len(found) < count:
        assert time.monotonic() < deadline, f"waited {PATIENCE} s, and only {len(found)} of {count} records came"
        for records in consumer.poll(200).values():
            found += records
    return found


def position_of(consumer: Any, partition: TopicPartition) -> int | None:
    """The position as the library reads it: without asking a broker; ``None`` while it is not known."""
    return Client(consumer).positions([partition]).get(partition)


def wait_for_position(consumer: Any, partition: TopicPartition, expected: int) -> None:
    """Poll, without getting a record, until the client is at *expected*."""
    deadline = time.monotonic() + PATIENCE
    while (position := position_of(consumer, partition)) != expected:
        assert time.monotonic() < deadline, f"waited {PATIENCE} s for position {expected}: it is {position}"
        assert consumer.poll(100) == {}


def poll_together(*consumers: Any, until: Callable[[], bool], first_reads: list[Any] | None = None) -> None:
    """Poll all *consumers*, each on a thread of its own, until *until* holds; note the records of the first one."""
    is_over = threading.Event()
    errors: list[Exception] = []

    def poll(consumer: Any) -> None:
        try:
            while not is_over.is_set():
                batch = consumer.poll(200)
                if first_reads is not None and consumer is consumers[0]:
                    first_reads.extend(record for records in batch.values() for record in records)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=poll, args=[consumer], daemon=True) for consumer in consumers]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + PATIENCE
    while not (until() or errors) and time.monotonic() < deadline:
        time.sleep(0.02)
    is_over.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert not errors, errors
    assert until(), f"waited {PATIENCE} s, and it did not happen"


class Listener(kafka.ConsumerRebalanceListener):
    """Writes down its calls, and their threads; calls *act* meanwhile."""

    def __init__(self, act: Callable[[], None] = lambda: None) -> None:
        self.told: list[tuple[str, set[int]]] = []
        self.threads: set[int] = set()
        self.errors: list[Exception] = []
        self._act = act

    def on_partitions_revoked(self, revoked: Any) -> None:
        self._note("revoked", revoked)

    def on_partitions_assigned(self, assigned: Any) -> None:
        self._note("assigned", assigned)

    def on_partitions_lost(self, lost: Any) -> None:
        self._note("lost", lost)

    def _note(self, what: str, partitions: Any) -> None:
        if not partitions:
            return  # the versions differ in when they mention nothing
        self.told.append((what, {partition.partition for partition in partitions}))
        self.threads.add(threading.get_ident())
        try:
            self._act()
        except Exception as error:
            self.errors.append(error)
