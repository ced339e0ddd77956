"""The asyncio service that calls HTTP, through a SIGTERM, a restart, and an API that is down."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.examples.http_api import Api
from tests.examples.services import Service, Topic, check_restart_and_sigterm, ended
from tests.integration.kafka_app import wait_for

pytestmark = pytest.mark.broker

OUTAGE = 60 if os.environ.get("KAFKA_PARALLEL_FAULTS") == "long" else 3


@pytest.fixture
def api():
    with Api() as found:
        yield found


def service_on(kafka_broker, topic, api, count):
    orders = Topic(kafka_broker.bootstrap_servers, topic(2), "asyncio-http", count)
    environment = {**orders.environment, "API": api.url}
    return Service(["asyncio_http/service.py"], environment, lambda: list(api.taken)), orders


def test_the_service_through_a_sigterm_and_a_restart(kafka_broker, topic, api):
    check_restart_and_sigterm(*service_on(kafka_broker, topic, api, 1000))


def test_an_api_that_is_down_for_a_while_loses_and_repeats_nothing(kafka_broker, topic, api):
    service, orders = service_on(kafka_broker, topic, api, 800)

    with service.running() as process:
        wait_for(lambda: len(api.taken) >= 20, "the first effects")
        api.is_down = True
        wait_for(lambda: api.refused >= 20, "the first refusals")
        time.sleep(OUTAGE)
        api.is_down = False
        wait_for(lambda: orders.places <= set(api.taken), "the effects of all records")
        assert ended(process, signal.SIGTERM) == 0

    assert orders.uncommitted() == 0
    assert sorted(api.taken) == sorted(orders.places)
