"""A dead-letter topic that cannot be written, for each reason there is: no record counts as finished meanwhile.

The other reasons, a topic that is missing or too small, are in test_dlq.py.
"""

from __future__ import annotations

import contextlib
import gc
import math
import os
import resource
import threading
from pathlib import Path

import pytest
from kafka import KafkaProducer
from kafka.admin import ACL, ACLFilter, ACLOperation, ACLPermissionType, KafkaAdminClient, ResourcePattern, ResourceType

from kafka_parallel import ParallelConsumer, RecordFailed
from kafka_parallel.testing.pytest_plugin import broker_or_skip, topic_name
from kafka_parallel.testing.tcp_proxy import TcpProxy
from kafka_parallel_plugins.dlq import DeadLetterQueue
from tests.integration.kafka_app import PATIENCE, committed, consume, ends, produce, wait_for
from tests.integration.older_brokers import AUTHORIZER, HAS_ZOOKEEPER
from tests.integration.test_dlq import dead_letters

pytestmark = [
    pytest.mark.broker,
    # kafka-python 3.0.12 forgets sockets whose connection was refused
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

RECORDS = 5
# The largest size of a broker's file in the test of a full disk; nothing but one topic comes near it.
MOST_BYTES = 3_000_000


@pytest.fixture(autouse=True)
def _forgotten(caplog):
    """Let forgotten clients of a test go here, where it does not count; logged errors hold on to them."""
    gc.collect()
    yield
    caplog.get_records("call").clear()
    gc.collect()


class Case:
    """A topic, its dead-letter topic, and a consumer all of whose records fail."""

    def __init__(self, broker, test):
        self.bootstrap, self.broker, self.name = broker.bootstrap_servers, broker, topic_name(test)
        self.dlq, self.group = self.name + "-dlq", "g-" + self.name
        for name in (self.name, self.dlq):
            broker.create_topic(name)
        self.produced = produce(self.bootstrap, self.name, RECORDS, keys=[b"k"])
        self.producers = []

    def run(self, before_failing=lambda: None, dlq_timeout_ms=2000, **config):
        def refuse(record):
            before_failing()
            raise ValueError("no amount")

        config = {"session_timeout_ms": 2000, "heartbeat_interval_ms": 500, "consumer_timeout_ms": math.inf, **config}
        consumer = consume(self.bootstrap, self.name, self.group, **config)
        dlq = DeadLetterQueue(timeout_ms=dlq_timeout_ms, make_producer=self.make_producer)
        try:
            ParallelConsumer(consumer, ordering="partition", plugins=[dlq]).run(refuse)
        finally:
            assert all(producer._closed for producer in self.producers), "one is open and may still write"

    def make_producer(self, **config):
        self.producers.append(KafkaProducer(**config))
        return self.producers[-1]

    def committed(self):
        return committed(self.bootstrap, self.group, self.produced)

    def finish(self):
        """Run when all is well again; every record has to have its letter."""
        self.run(consumer_timeout_ms=8000, dlq_timeout_ms=60_000)  # a broker that just started may be slow
        letters = [dict(letter.headers) for letter in dead_letters(self.bootstrap, self.dlq)]
        offsets = [int(found["__dlq.errors.offset"]) for found in letters if "__dlq.errors.offset" in found]
        assert sorted(set(offsets)) == list(range(RECORDS))
        assert self.committed() == ends(self.produced)


def test_a_topic_that_it_is_not_allowed_to_write(request):
    config = {
        "authorizer.class.name": AUTHORIZER,
        "allow.everyone.if.no.acl.found": "true",
    }
    with broker_or_skip("jvm", config) as broker:
        case = Case(broker, request.node.name)
        with forbidden(case.bootstrap, case.dlq):
            with pytest.raises(RecordFailed, match=r"did not acknowledge its dead letter .*TopicAuthorizationFailed"):
                case.run()
            assert case.committed() == {0: 0}
            assert dead_letters(case.bootstrap, case.dlq) == []
        case.finish()


@contextlib.contextmanager
def forbidden(bootstrap, topic):
    """Let no client write to *topic*; all may look at it."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    pattern = ResourcePattern(ResourceType.TOPIC, topic)
    of_topic = ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, pattern)

    def rules():
        return len(admin.describe_acls(of_topic)[0])

    admin.create_acls(
        [
            ACL("User:*", "*", ACLOperation.WRITE, ACLPermissionType.DENY, pattern),
            ACL("User:*", "*", ACLOperation.READ, ACLPermissionType.ALLOW, pattern),
        ]
    )
    try:
        wait_for(lambda: rules() == 2, "the rules to hold")
        yield
    finally:
        admin.delete_acls([of_topic])
        wait_for(lambda: rules() == 0, "the rules to be gone")
        admin.close()


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux can limit the files of a running process")
def test_a_disk_that_is_full(request):
    with broker_or_skip("jvm") as broker:
        case = Case(broker, request.node.name)
        fill(case.bootstrap, case.dlq)
        assert case.committed() == {0: 0}  # and the topic of the offsets has its files
        limit_files(broker, MOST_BYTES)

        with pytest.raises(RecordFailed, match="did not acknowledge its dead letter"):
            case.run(request_timeout_ms=4000)

        broker.restart()  # without the limit, as if an operator had made room
        assert case.committed() == {0: 0}
        case.finish()


def fill(bootstrap, topic):
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    for _ in range(MOST_BYTES // 100_000 + 1):
        producer.send(topic, b"\0" * 100_000).get(timeout=PATIENCE)
    producer.close()


def limit_files(broker, most_bytes):
    """Let every write of the broker fail that would make a file longer, as on a disk that is full."""
    resource.prlimit(pid_of(broker), resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))


def pid_of(broker):
    directory = str(broker._backend._node._guard.directory)
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_java = b"kafka.Kafka" in (process / "cmdline").read_bytes()
            if is_java and os.readlink(process / "cwd") == directory:
                return int(process.name)
    raise AssertionError(f"no broker runs in {directory}")


@pytest.mark.skipif(HAS_ZOOKEEPER, reason="the controller, too, would go through the proxy, which has no broker yet")
def test_a_broker_whose_answer_comes_too_late(request):
    with TcpProxy() as proxy:
        config = {"advertised.listeners": f"PLAINTEXT://127.0.0.1:{proxy.port}"}
        with broker_or_skip("jvm", config) as broker:
            proxy.connect_to(broker.bootstrap_servers)
            case = Case(broker, request.node.name)
            healing = threading.Timer(5.0, proxy.heal)

            def hold_answers():
                proxy.disturb(holds_down=True)
                healing.start()

            with pytest.raises(RecordFailed, match=r"did not acknowledge its dead letter .*Timeout"):
                case.run(hold_answers)
            healing.join()

            assert case.committed() == {0: 0}
            case.finish()
