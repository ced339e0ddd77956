"""A router on a real Kafka: each record reaches its handler, bad ones are decided about, and all is committed."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass

import pytest
from kafka import KafkaConsumer, TopicPartition

from kafka_parallel import NoRoute, Router, Skip, hookimpl
from tests.integration.kafka_app import observer, produce
from tests.integration.until_committed import UntilCommitted

pytestmark = pytest.mark.broker


@dataclass
class Order:
    id: int


class Decisions:
    def __init__(self):
        self.told = []

    @hookimpl
    def on_error(self, error, context):
        self.told.append((context.raw.topic, type(error), context.stage))
        return Skip("a test")


def test_records_reach_their_handlers_and_bad_ones_are_decided_about(kafka_broker, topic):
    bootstrap, orders, bad, rest = kafka_broker.bootstrap_servers, topic(2), topic(1), topic(1)
    for name, value in ((orders, b'{"id": 7}'), (bad, b"{"), (rest, b"x")):
        produce(bootstrap, name, 20, keys=(b"a", b"b"), value=value)
    handled, decisions = defaultdict(list), Decisions()
    router = Router()
    router.on(orders, lambda record: handled[orders].append(record.value), value=Order)
    router.on(bad, lambda record: handled[bad].append(record.value), value=json.loads)
    router.otherwise("fail")
    config = {"auto_offset_reset": "earliest", "metadata_max_age_ms": 5_000}
    consumer = KafkaConsumer(orders, bad, rest, group_id=orders, bootstrap_servers=bootstrap, **config)

    UntilCommitted(consumer, workers=4, plugins=["retry", decisions]).run(router)

    assert handled == {orders: [Order(7)] * 20}
    assert sorted(decisions.told) == sorted(
        [(bad, json.JSONDecodeError, "prepare")] * 20 + [(rest, NoRoute, "prepare")] * 20
    )
    with observer(bootstrap, orders) as seen:
        assert [seen.committed(TopicPartition(name, 0)) for name in (bad, rest)] == [20, 20]
        assert sum(seen.committed(TopicPartition(orders, number)) or 0 for number in range(2)) == 20
