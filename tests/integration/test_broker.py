"""A throwaway Kafka: really there, only on loopback, and really gone."""

import contextlib
import os
import re
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from kafka_parallel.errors import BrokerError
from kafka_parallel.testing.broker import start_broker
from kafka_parallel.testing.probe import why_not_ready
from kafka_parallel.testing.pytest_plugin import broker_or_skip
from tests.integration.older_brokers import HAS_ZOOKEEPER

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def jvm():
    with broker_or_skip(kind="jvm") as broker:
        yield broker


@pytest.fixture
def own_tmp(tmp_path, monkeypatch, jvm):  # after jvm, whose folder is elsewhere
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def processes_in(directory):
    """Processes whose working directory is in *directory*."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if link.readlink().is_relative_to(directory):
                found.append(int(link.parent.name))
    return found


def produce(broker, topic, values):
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers)
    for value in values:
        producer.send(topic, value, partition=0)
    producer.flush(timeout=300)
    producer.close()


def read(broker, topic, count, **options):
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=broker.bootstrap_servers,
        auto_offset_reset="earliest",
        consumer_timeout_ms=20_000,
        **options,
    )
    try:
        values = [record.value for _, record in zip(range(count), consumer, strict=False)]
        if options.get("group_id"):
            consumer.commit()
        return values
    finally:
        consumer.close()


def test_a_group_reads_and_commits(jvm):
    jvm.create_topic("read-and-commit")
    produce(jvm, "read-and-commit", [b"one", b"two"])

    values = read(jvm, "read-and-commit", 2, group_id="readers", enable_auto_commit=False)

    assert values == [b"one", b"two"]
    consumer = KafkaConsumer(bootstrap_servers=jvm.bootstrap_servers, group_id="readers")
    assert consumer.committed(TopicPartition("read-and-commit", 0)) == 2
    consumer.close()


def test_a_transaction_is_committed(jvm):
    jvm.create_topic("transaction")
    producer = KafkaProducer(bootstrap_servers=jvm.bootstrap_servers, transactional_id="t")
    producer.init_transactions()
    producer.begin_transaction()
    producer.send("transaction", b"one")
    producer.flush()
    producer.commit_transaction()
    producer.close()

    assert read(jvm, "transaction", 1, isolation_level="read_committed") == [b"one"]


def test_a_topic_has_its_partitions_and_settings_at_once(jvm):
    jvm.create_topic("three", 3, config={"cleanup.policy": "compact"})

    consumer = KafkaConsumer(bootstrap_servers=jvm.bootstrap_servers)
    assert consumer.partitions_for_topic("three") == {0, 1, 2}
    consumer.close()


def test_a_topic_that_exists_is_refused(jvm):
    jvm.create_topic("twice")

    with pytest.raises(BrokerError, match=r"cannot create the topic 'twice' with 1 partitions .*exists"):
        jvm.create_topic("twice")


def test_a_topic_with_an_unknown_setting_is_refused(jvm):
    with pytest.raises(BrokerError, match=r"cannot create the topic 'odd'.*no\.such\.setting"):
        jvm.create_topic("odd", config={"no.such.setting": "1"})


def test_fixtures_give_a_new_topic_to_each_call(kafka_broker, topic):
    first, second = topic(), topic(2)

    assert first != second
    produce(kafka_broker, second, [b"one"])
    assert read(kafka_broker, second, 1) == [b"one"]


def test_a_named_broker_is_used_as_it_is_and_left_running(jvm, monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", jvm.bootstrap_servers)

    with start_broker() as broker:
        assert (broker.kind, broker.bootstrap_servers) == ("external", jvm.bootstrap_servers)
    assert why_not_ready(jvm.bootstrap_servers) is None


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="reads Linux's table of sockets")
def test_it_listens_on_loopback_only(own_tmp):
    with start_broker(kind="jvm") as broker:
        [process] = [pid for pid in processes_in(own_tmp) if b"kafka.Kafka" in command_of(pid)]
        addresses = listening(process)

    port = int(broker.bootstrap_servers.rpartition(":")[2])
    assert port in {number for _, number in addresses}
    # written as one number in the machine's order, or as an IPv6 address that holds it
    assert all(host.endswith("0100007F") for host, _ in addresses)


def command_of(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def listening(pid):
    sockets = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            sockets.update(re.findall(r"socket:\[(\d+)\]", os.readlink(link)))
    lines = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()
    ]
    found = [line[1].rpartition(":") for line in lines if line[3] == "0A" and line[9] in sockets]
    return [(host, int(port, 16)) for host, _, port in found]


def test_a_stopped_broker_leaves_no_file_no_process_and_no_port(own_tmp):
    broker = start_broker(kind="jvm")
    assert len(list(own_tmp.iterdir())) == 1 + HAS_ZOOKEEPER
    broker.stop()

    assert list(own_tmp.iterdir()) == []
    assert processes_in(own_tmp) == []
    assert "refused" in why_not_ready(broker.bootstrap_servers)


def test_stopping_twice_is_stopping_once_and_there_is_no_way_back(own_tmp):
    broker = start_broker(kind="jvm")
    broker.stop()
    broker.stop()

    with pytest.raises(BrokerError, match="was stopped; start a new one"):
        broker.restart()


def test_a_killed_broker_comes_back_with_its_records_on_its_port(own_tmp):
    with start_broker(kind="jvm") as broker:
        address = broker.bootstrap_servers
        broker.create_topic("kept")
        produce(broker, "kept", [b"before"])

        broker.kill()
        assert "refused" in why_not_ready(address)
        broker.restart()
        produce(broker, "kept", [b"after"])

        assert broker.bootstrap_servers == address
        assert read(broker, "kept", 2) == [b"before", b"after"]


def test_a_broker_that_ends_at_once_shows_its_log_and_leaves_nothing(own_tmp):
    with pytest.raises(BrokerError, match=r"exit code 1.*last lines of its log:\n(.*\n)*.*num\.network\.threads"):
        start_broker(kind="jvm", config={"num.network.threads": "0"})

    assert list(own_tmp.iterdir()) == []
    assert processes_in(own_tmp) == []


def test_a_broker_that_never_gets_ready_is_given_up_and_leaves_nothing(own_tmp):
    with pytest.raises(BrokerError, match=r"(in 1 ms|get ready); the last lines of its log"):
        start_broker(kind="jvm", timeout_ms=1)

    assert list(own_tmp.iterdir()) == []
    assert processes_in(own_tmp) == []
