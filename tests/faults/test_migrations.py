"""The migrated services through all other ends: Ctrl-C, an API and a broker that are away, a second instance."""

from __future__ import annotations

import signal
import time

import pytest

from kafka_parallel.testing.broker import start_broker
from tests.examples.http_api import Api
from tests.examples.migrations import PROGRAMS, Migration
from tests.examples.services import check_restart_and_sigterm, ended
from tests.faults.conftest import IS_LONG
from tests.integration.kafka_app import wait_for

pytestmark = [pytest.mark.broker, pytest.mark.timeout(900), pytest.mark.parametrize("name", PROGRAMS)]

OUTAGE = 60 if IS_LONG else 3


@pytest.fixture
def api():
    with Api() as found:
        yield found


@pytest.fixture
def migrated(name, kafka_broker, topic, api, tmp_path):
    return Migration(name, "after", kafka_broker, topic(2), api, tmp_path)


@pytest.fixture(scope="module")
def own_broker():
    with start_broker(kind="jvm") as broker:
        yield broker


def test_the_program_with_the_bare_client_is_a_working_one(name, kafka_broker, topic, api, tmp_path):
    found = Migration(name, "before", kafka_broker, topic(2), api, tmp_path)

    check_restart_and_sigterm(found.service, found.orders, found.code(signal.SIGTERM))


def test_ctrl_c_repeats_and_loses_nothing(migrated):
    with migrated.service.running() as process:
        migrated.wait_for_effects()
        assert ended(process, signal.SIGINT) == migrated.code(signal.SIGINT)

    assert migrated.orders.uncommitted() == len(migrated.orders.places) - len(set(migrated.service.done()))
    assert not migrated.repeated()


def test_an_api_that_is_down_for_a_while(migrated, api):
    with migrated.service.running() as process:
        migrated.wait_for_effects()
        api.is_down = True
        migrated.orders.add(50)
        wait_for(lambda: api.refused >= 3, "the first refusals")
        time.sleep(OUTAGE)
        api.is_down = False
        migrated.wait_until_all_is_done()
        assert ended(process, signal.SIGTERM) == migrated.code(signal.SIGTERM)

    migrated.check_that_each_effect_happened_once()


def test_a_second_instance_takes_a_share_and_repeats_nothing(migrated):
    with migrated.service.running() as one, migrated.another().running() as other:
        migrated.wait_for_effects()
        migrated.orders.add(300)
        assert ended(one, signal.SIGTERM) == migrated.code(signal.SIGTERM)
        migrated.orders.add(50)
        migrated.wait_until_all_is_done()
        assert ended(other, signal.SIGTERM) == migrated.code(signal.SIGTERM)

    migrated.check_that_each_effect_happened_once()


def test_a_broker_that_is_killed_and_restarted(name, own_broker, api, tmp_path):
    own_broker.create_topic(name, partitions=2)
    migrated = Migration(name, "after", own_broker, name, api, tmp_path)

    with migrated.service.running() as process:
        migrated.wait_for_effects()
        own_broker.kill()
        own_broker.restart()
        migrated.orders.add(50)
        migrated.wait_until_all_is_done()
        assert ended(process, signal.SIGTERM) == migrated.code(signal.SIGTERM)

    migrated.check_that_each_effect_happened_once()
