"""The back-off of a real client during a run: a second where it is kafka-python's default, and given back."""

from __future__ import annotations

import pytest

from kafka_parallel._runtime.client.consumer_adapter import Client
from kafka_parallel._runtime.client.reconnects import DEFAULT_MS, LONGEST_MS, SETTING, _configs
from tests.integration.kafka_app import consume

pytestmark = pytest.mark.broker


@pytest.mark.parametrize(("given", "during"), [({}, LONGEST_MS), ({SETTING: 77}, 77)])
def test_the_default_back_off_is_shortened_for_the_run(kafka_broker, topic, given, during):
    consumer = consume(kafka_broker.bootstrap_servers, topic(), "g", **given)
    client = Client(consumer)
    assert list(_configs(consumer)), "this kafka-python keeps its settings elsewhere"

    client.take_over(dict, lambda: None, lambda _: None)
    assert {config[SETTING] for config in _configs(consumer)} == {during}

    client.undo_takeover()
    assert {config[SETTING] for config in _configs(consumer)} == {given.get(SETTING, DEFAULT_MS)}
    consumer.close()
