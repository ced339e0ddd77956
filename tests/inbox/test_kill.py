"""Processes that write effects are killed and frozen: each effect happens once. Many more times: tests/faults."""

from __future__ import annotations

import pytest

from tests.inbox.members import check, frozen, killed
from tests.integration.kafka_app import produce

pytestmark = pytest.mark.broker


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_each_effect_happens_once_through_kills(kafka_broker, topic, database):
    produced = produce(kafka_broker.bootstrap_servers, topic(4), 4000)

    killed(kafka_broker.bootstrap_servers, produced.topic, database, kills=2)

    assert check(database, produced) > 0, "no record came again"


@pytest.mark.parametrize("dialect", ["postgres"])
def test_each_effect_happens_once_beside_a_zombie(kafka_broker, topic, database):
    produced = produce(kafka_broker.bootstrap_servers, topic(2), 6000)

    frozen(kafka_broker.bootstrap_servers, produced.topic, database, freezes=1)

    assert check(database, produced) > 0, "no record came again"
