"""Effects in a database happen once, however often the members that make them are killed or frozen."""

from __future__ import annotations

import pytest

from tests.faults.conftest import rounds
from tests.inbox.databases import database, mysql_url, postgres_url, sqlite_url
from tests.inbox.drivers import DRIVERS
from tests.inbox.members import check, frozen, killed
from tests.integration.kafka_app import produce

__all__ = ["database", "mysql_url", "postgres_url", "sqlite_url"]

pytestmark = [pytest.mark.broker, pytest.mark.timeout(900)]


@pytest.mark.parametrize("dialect", DRIVERS)
def test_effects_happen_once_through_kills(kafka_broker, topic, database):
    kills = rounds(2, 10)
    produced = produce(kafka_broker.bootstrap_servers, topic(4), 2000 * kills)

    killed(kafka_broker.bootstrap_servers, produced.topic, database, kills)

    came_again = check(database, produced)
    print(f"{came_again} records came again")
    assert came_again > 0


@pytest.mark.parametrize("dialect", DRIVERS)
def test_effects_happen_once_beside_a_zombie(kafka_broker, topic, database):
    freezes = rounds(1, 5)
    each = 1500 if database.dialect == "sqlite" else 4000
    produced = produce(kafka_broker.bootstrap_servers, topic(2), each * freezes)

    frozen(kafka_broker.bootstrap_servers, produced.topic, database, freezes)

    came_again = check(database, produced)
    print(f"{came_again} records came again")
    assert came_again > 0
