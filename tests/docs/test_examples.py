"""The examples run, each as the program it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from kafka import KafkaConsumer, TopicPartition

from tests.integration.kafka_app import produce

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name, bootstrap, topic):
    command = [sys.executable, EXAMPLES / name, "--bootstrap-servers", bootstrap, "--topic", topic, "--idle-ms", "3000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.broker
def test_wrap_existing(kafka_broker, topic):
    name = topic(2)
    produce(kafka_broker.bootstrap_servers, name, 20, keys=[b"a", b"b"], value=b"book")

    assert run("wrap_existing.py", kafka_broker.bootstrap_servers, name).count("b'book'") == 20


@pytest.mark.broker
def test_key_order(kafka_broker, topic):
    name = topic(1)
    for amount in range(1, 4):
        produce(kafka_broker.bootstrap_servers, name, 1, value=b'{"account": "x", "amount": %d}' % amount)

    shown = run("key_order.py", kafka_broker.bootstrap_servers, name)

    assert shown.split("\n")[:3] == ["account x: +1", "account x: +2", "account x: +3"]


@pytest.mark.broker
def test_dead_letter(kafka_broker, topic):
    name = topic(1)
    kafka_broker.create_topic(f"{name}-dlq", 1)
    for value in (b"3", b"three"):
        produce(kafka_broker.bootstrap_servers, name, 1, value=value)

    assert "order of 3 pieces" in run("dead_letter.py", kafka_broker.bootstrap_servers, name)

    reader = KafkaConsumer(bootstrap_servers=kafka_broker.bootstrap_servers)
    assert reader.end_offsets([TopicPartition(f"{name}-dlq", 0)]) == {TopicPartition(f"{name}-dlq", 0): 1}
    reader.close()


@pytest.mark.broker
def test_metrics_in_your_file(kafka_broker, topic):
    name = topic(1)
    produce(kafka_broker.bootstrap_servers, name, 30)

    assert f"{name}: 30 records" in run("metrics_in_your_file.py", kafka_broker.bootstrap_servers, name)


@pytest.mark.broker
def test_the_demo_finds_nothing_lost(kafka_broker):
    command = [sys.executable, "-m", "examples.demo", "--records", "2000", "--share", "200"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=800, check=False, cwd=EXAMPLES.parent)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "= end of the log" in done.stdout


def test_the_compose_file_builds_what_exists():
    services = yaml.safe_load((EXAMPLES / "docker" / "compose.yaml").read_text())["services"]

    assert set(services) == {"kafka", "orders"}
    assert (EXAMPLES / "docker" / services["orders"]["build"]["context"] / "pyproject.toml").exists()
    assert (EXAMPLES.parent / services["orders"]["build"]["dockerfile"]).exists()
