"""Does every call of the fakes that asks a broker fail when it is told to."""

from __future__ import annotations

import pytest
from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaTimeoutError

from kafka_parallel.testing import FakeCluster, FakeConsumer, FakeProducer, ManualClock
from kafka_parallel.testing.fake.cluster import READS, WRITES
from kafka_parallel.testing.fake.membership import GroupMetadata

PARTITION = TopicPartition("t", 0)
OFFSETS = {PARTITION: OffsetAndMetadata(1, "", -1)}
ARGUMENTS = {
    "committed": [PARTITION], "position": [PARTITION], "beginning_offsets": [[PARTITION]], "end_offsets": [[PARTITION]],
    "partitions_for_topic": ["t"], "partitions_for": ["t"], "commit": [OFFSETS], "commit_async": [OFFSETS],
    "send": ["t", b"v"], "send_offsets_to_transaction": [OFFSETS, GroupMetadata("g", -1, "", None)],
}  # fmt: skip
TRANSACTION = {"send_offsets_to_transaction", "commit_transaction", "abort_transaction"}


@pytest.fixture
def cluster():
    found = FakeCluster(ManualClock())
    found.create_topic("t")
    found.append("t", b"v")
    return found


def answer(cluster, call):
    """The answer of *call*, or its error; a call that does not wait answers later."""
    consumer = FakeConsumer(cluster=cluster, group_id="g", auto_offset_reset="earliest")
    consumer.assign([PARTITION])
    client = consumer
    if call in {"send", "partitions_for"}:
        client = FakeProducer(cluster=cluster)
    elif call in TRANSACTION:
        client = FakeProducer(cluster=cluster, transactional_id="id")
        client.init_transactions()
        client.begin_transaction()
        if call == "commit_transaction":
            client.send_offsets_to_transaction(*ARGUMENTS["send_offsets_to_transaction"])
    found = getattr(client, call)(*ARGUMENTS.get(call, []))
    if call == "commit_async":
        consumer.poll()
        return raised(found.exception)
    return found.get(1) if call == "send" else found


def raised(error):
    if error is not None:
        raise error


@pytest.mark.parametrize("call", READS + WRITES)
def test_a_call_fails_as_often_as_it_is_told_to(cluster, call):
    cluster.fail(call, KafkaTimeoutError("on purpose"))

    with pytest.raises(KafkaTimeoutError, match="on purpose"):
        answer(cluster, call)
    answer(cluster, call)


@pytest.mark.parametrize("call", WRITES)
def test_a_call_may_take_effect_and_lose_its_answer(cluster, call):
    cluster.fail(call, KafkaTimeoutError("on purpose"), moment="after")

    with pytest.raises(KafkaTimeoutError, match="on purpose"):
        answer(cluster, call)

    assert cluster.log(PARTITION).end == (2 if call == "send" else 1)
    has_committed = cluster.committed("g", PARTITION) is not None
    assert has_committed == (call in {"commit", "commit_async", "commit_transaction"})


def test_a_poll_may_fail_when_it_has_moved_its_positions(cluster):
    consumer = FakeConsumer(cluster=cluster, auto_offset_reset="earliest")
    consumer.assign([PARTITION])
    consumer.seek(PARTITION, 0)
    cluster.fail("poll", KafkaTimeoutError("on purpose"), moment="after")

    with pytest.raises(KafkaTimeoutError, match="on purpose"):
        consumer.poll()

    assert consumer.position(PARTITION) == 1


@pytest.mark.parametrize(("call", "moment"), [("comit", "before"), ("committed", "after"), ("commit", "later")])
def test_what_cannot_happen_cannot_be_asked_for(cluster, call, moment):
    with pytest.raises(ValueError, match="no call"):
        cluster.fail(call, KafkaTimeoutError(), moment=moment)


def test_a_topic_without_a_subscriber_takes_no_share_of_the_partitions():
    """The kind: the fake cluster behaves as Kafka would not."""
    cluster = FakeCluster()
    cluster.create_topic("read", 4)
    cluster.create_topic("unread", 8)
    first = FakeConsumer("read", cluster=cluster, group_id="g")
    first.poll(10)
    second = FakeConsumer("read", cluster=cluster, group_id="g")
    for _ in range(20):
        first.poll(1)
        second.poll(1)

    assert (len(first.assignment()), len(second.assignment())) == (2, 2)
