"""A container serves as a broker, and goes with the process that started it."""

import signal
import subprocess
import sys
import time

import docker
import pytest
from kafka import KafkaConsumer, KafkaProducer

from kafka_parallel.errors import BrokerError
from kafka_parallel.testing.broker import start_broker
from kafka_parallel.testing.broker_docker import LABEL
from kafka_parallel.testing.faults import NotAvailableError
from kafka_parallel.testing.probe import why_not_ready
from kafka_parallel.testing.pytest_plugin import in_ci
from tests.integration.local_kafka_image import build_image, docker_host

pytestmark = [pytest.mark.broker, pytest.mark.docker]

IMAGE = "kafka-parallel-test:local"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    with docker_host() as host, pytest.MonkeyPatch.context() as environment:
        environment.setenv("DOCKER_HOST", host)
        environment.setenv("KAFKA_PARALLEL_IMAGE", IMAGE)
        environment.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
        client = docker.from_env()
        try:
            build_image(client, IMAGE, tmp_path_factory.mktemp("image"))
        except NotAvailableError as error:
            if in_ci():
                raise
            pytest.skip(f"no jars for the image: {error}")
        yield client
        client.images.remove(IMAGE, force=True)
        client.close()


@pytest.fixture
def containers(daemon):
    def names():
        return [container.name for container in daemon.containers.list(all=True, filters={"label": LABEL})]

    before = names()
    return lambda: sorted(set(names()) - set(before))


def test_a_container_is_the_first_choice_and_serves_a_transaction_and_a_group(containers):
    with start_broker() as broker:
        assert broker.kind == "docker"
        assert len(containers()) == 1
        broker.create_topic("served")
        send_in_transaction(broker, "served", b"one")

        assert read_as_group(broker, "served") == b"one"
    assert containers() == []
    assert "refused" in why_not_ready(broker.bootstrap_servers)


def send_in_transaction(broker, topic, value):
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers, transactional_id="t")
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(topic, value)
    producer.flush(timeout=300)
    producer.commit_transaction()
    producer.close()


def read_as_group(broker, topic):
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=broker.bootstrap_servers,
        group_id="g",
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        consumer_timeout_ms=20_000,
    )
    value = next(consumer).value
    consumer.close()
    return value


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_container_goes_with_the_process(containers, number):
    command = [sys.executable, "-m", "kafka_parallel.testing.broker", "--kind", "docker"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline().startswith("bootstrap_servers=127.0.0.1:")
            assert len(containers()) == 1
        finally:
            process.send_signal(number)

    deadline = time.monotonic() + 10
    while containers():
        assert time.monotonic() < deadline, f"still there: {containers()}"
        time.sleep(0.1)


def test_a_container_that_ends_at_once_shows_its_log_and_leaves_nothing(containers):
    with pytest.raises(BrokerError, match=r"'exited' before it was ready.*log:\n(.*\n)*.*num\.network\.threads"):
        start_broker(kind="docker", config={"num.network.threads": "0"})

    assert containers() == []


def test_a_container_that_never_gets_ready_is_given_up_and_leaves_nothing(containers):
    with pytest.raises(BrokerError, match="was not ready in 100 ms"):
        start_broker(kind="docker", timeout_ms=100)

    assert containers() == []


def test_an_image_that_cannot_be_had_is_an_absence_not_a_failure(containers, monkeypatch):
    monkeypatch.setenv("KAFKA_PARALLEL_IMAGE", "127.0.0.1:1/nobody/kafka:1")

    with pytest.raises(
        NotAvailableError, match=r"image 127\.0\.0\.1:1/nobody/kafka:1 is not here and cannot be pulled"
    ):
        start_broker(kind="docker")
    assert containers() == []


def test_without_an_image_the_next_choice_is_taken(daemon, monkeypatch):
    monkeypatch.setenv("KAFKA_PARALLEL_IMAGE", "127.0.0.1:1/nobody/kafka:1")

    with start_broker() as broker:
        assert broker.kind == "jvm"


def test_a_container_cannot_be_killed_like_a_process(daemon):
    with start_broker(kind="docker") as broker, pytest.raises(BrokerError, match="'docker' cannot be killed"):
        broker.kill()
