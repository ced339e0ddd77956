"""The FastAPI service, through a SIGTERM and a restart; its health endpoint tells of a run that has failed."""

from __future__ import annotations

import signal
import socket
import sqlite3

import httpx
import pytest

from tests.examples.services import EXAMPLES, Service, Topic, check_restart_and_sigterm, ended
from tests.integration.kafka_app import produce, wait_for

pytestmark = pytest.mark.broker


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def service(kafka_broker, topic, tmp_path, port):
    orders = Topic(kafka_broker.bootstrap_servers, topic(2), "fastapi", 600)
    database = tmp_path / "payments.db"

    def done():
        try:
            with sqlite3.connect(database, timeout=60) as connection:
                return connection.execute("select topic_partition, topic_offset from payments").fetchall()
        except sqlite3.OperationalError:  # the service has not made the table yet
            return []

    command = ["-m", "uvicorn", "service:app", "--port", str(port)]
    return Service(command, {**orders.environment, "DATABASE": str(database)}, done, EXAMPLES / "fastapi"), orders


def health(port):
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/health", timeout=10)
    except httpx.TransportError:
        return None
    return answer.status_code, answer.json()["consumer"]


def test_the_service_through_a_sigterm_and_a_restart(service):
    billing, orders = service

    check_restart_and_sigterm(billing, orders, exit_code=-signal.SIGTERM)  # uvicorn ends by the signal it has handled


def test_the_health_endpoint_tells_of_a_run_that_has_failed(service, port, kafka_broker):
    billing, orders = service

    with billing.running() as process:
        wait_for(lambda: len(billing.done()) >= 20, "the first effects")
        assert health(port) == (200, "running")
        produce(kafka_broker.bootstrap_servers, orders.name, 1, value=b"not a number")
        wait_for(lambda: health(port) == (503, "failed"), "the failure of the run")
        ended(process, signal.SIGTERM)

    assert len(billing.done()) == len(set(billing.done()))
