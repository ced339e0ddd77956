"""A broker that forgets offsets: a member that was there all the time must not find them gone."""

from __future__ import annotations

import threading

import pytest
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

from kafka_parallel import ParallelConsumer
from kafka_parallel.testing.pytest_plugin import broker_or_skip
from tests.faults.conftest import IS_LONG
from tests.integration.kafka_app import observer, wait_for

pytestmark = pytest.mark.broker

# The shortest that Kafka knows, and how often it looks.
CONFIG = {"offsets.retention.minutes": "1", "offsets.retention.check.interval.ms": "1000"}


def committed(bootstrap, group, partition):
    with observer(bootstrap, group) as consumer:
        return consumer.committed(partition)


@pytest.mark.timeout(400)
@pytest.mark.skipif(not IS_LONG, reason="takes two minutes: make faults")
def test_the_offset_of_a_quiet_partition_that_was_assigned_by_hand_is_kept():
    """The group has no members, so its offsets expire unless they are committed again, as the bare client does."""
    with broker_or_skip("jvm", CONFIG) as broker:
        broker.create_topic("quiet")
        bootstrap, partition = broker.bootstrap_servers, TopicPartition("quiet", 0)
        for group in ("parallel", "bare", "nobody"):
            with observer(bootstrap, group) as consumer:
                consumer.assign([partition])
                consumer.commit({partition: OffsetAndMetadata(0, "", -1)})
        ours = KafkaConsumer(bootstrap_servers=bootstrap, group_id="parallel")
        bare = KafkaConsumer(bootstrap_servers=bootstrap, group_id="bare")
        for consumer in (ours, bare):
            consumer.assign([partition])
        is_over = threading.Event()

        def poll():
            while not is_over.is_set():
                bare.poll(100)

        loop = threading.Thread(target=poll)
        loop.start()
        try:
            with ParallelConsumer(ours) as parallel:
                parallel.start(lambda _: None)
                wait_for(lambda: committed(bootstrap, "nobody", partition) is None, "an offset to expire", 200)
                # Both were committed at about that time; an offset that is there a retention later was committed again.
                with observer(bootstrap, "nobody") as consumer:
                    consumer.assign([partition])
                    consumer.commit({partition: OffsetAndMetadata(0, "", -1)})
                wait_for(lambda: committed(bootstrap, "nobody", partition) is None, "an offset to expire again", 200)
                found = [committed(bootstrap, group, partition) for group in ("parallel", "bare")]
        finally:
            is_over.set()
            loop.join()
            bare.close()

    assert found == [0, 0]
