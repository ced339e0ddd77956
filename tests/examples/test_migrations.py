"""Three services, migrated by the pages in at most ten lines, through SIGTERM, a bad record and SIGKILL."""

from __future__ import annotations

import difflib
import signal

import pytest
from kafka import TopicPartition

from tests.examples.http_api import Api
from tests.examples.migrations import MIGRATIONS, PROGRAMS, Migration
from tests.examples.services import ended
from tests.integration.kafka_app import committed, observer, produce, wait_for


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_migration_writes_at_most_ten_lines(name):
    before, after = [(MIGRATIONS / side / f"{name}.py").read_text().splitlines() for side in ("before", "after")]

    written = [line for line in difflib.ndiff(before, after) if line.startswith("+ ")]

    assert 0 < len(written) <= 10
    assert len(after) < len(before)


def letters(orders):
    """How many dead letters there are."""
    with observer(orders.bootstrap, orders.name) as consumer:
        topic = orders.name + "-dlq"
        places = [TopicPartition(topic, partition) for partition in consumer.partitions_for_topic(topic) or ()]
        return sum(consumer.end_offsets(places).values())


@pytest.mark.broker
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_migrated_service_loses_nothing_and_repeats_only_as_documented(name, kafka_broker, topic, tmp_path):
    with Api() as api:
        migrated = Migration(name, "after", kafka_broker, topic(2), api, tmp_path)
        service, orders = migrated.service, migrated.orders

        with service.running() as process:
            migrated.wait_for_effects()
            assert ended(process, signal.SIGTERM) == migrated.code(signal.SIGTERM)
        assert orders.uncommitted() == len(orders.places) - len(service.done())
        assert not migrated.repeated(), "a stop in good order repeats nothing"

        bad = produce(orders.bootstrap, orders.name, 1, keys=[b"bad"], value=b"not a number").keys
        orders.add(100)
        before = len(service.done())
        with service.running() as process:
            migrated.wait_for_effects(before + 50)
            ended(process, signal.SIGKILL)
        kept = committed(orders.bootstrap, orders.name, orders.produced)

        with service.running() as process:
            migrated.wait_until_all_is_done()
            wait_for(lambda: orders.uncommitted() == 0, "the commit of the bad record too")
            assert ended(process, signal.SIGTERM) == migrated.code(signal.SIGTERM)

        assert set(service.done()) == orders.places, "all but the bad record"
        assert all(offset >= kept[partition] for partition, offset in migrated.repeated())
        assert not bad.keys() - {0, 1}
        assert 1 <= letters(orders) <= 2
