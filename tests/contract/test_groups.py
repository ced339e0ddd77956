"""The partitions of members, the calls of a listener, and the commits that count: the same for fake and real."""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext

import pytest
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import CommitFailedError, KafkaError, OffsetMetadataTooLargeError

from kafka_parallel._runtime.client.client_errors import is_lost
from kafka_parallel._runtime.client.membership import Membership
from tests.contract.worlds import IMPATIENT, Listener, poll_together, read
from tests.joined_at_once import know_topics


def member(world, topic, listener=None, **config):
    consumer = world.consumer(group_id=f"g-{topic}", **config)
    consumer.subscribe([topic], listener=listener)
    know_topics(consumer)
    return consumer


def shares(*consumers):
    return [len(consumer.assignment()) for consumer in consumers]


def test_a_commit_is_what_the_next_start_begins_with(world):
    topic = world.create_topic()
    world.append(topic, 4)
    first, partition = member(world, topic), TopicPartition(topic, 0)
    read(first, 4)

    first.commit({partition: OffsetAndMetadata(2, "note", -1)})

    assert first.committed(partition) == 2
    assert first.committed(partition, metadata=True).metadata == "note"
    first.close()
    assert [record.offset for record in read(member(world, topic), 2)] == [2, 3]


def test_a_bare_commit_commits_the_positions(world):
    topic = world.create_topic()
    world.append(topic, 4)
    consumer = member(world, topic)
    read(consumer, 4)

    consumer.commit()

    assert consumer.committed(TopicPartition(topic, 0)) == 4


def test_auto_commit_commits_what_was_polled(world):
    topic = world.create_topic()
    world.append(topic, 4)
    consumer = member(world, topic, enable_auto_commit=True)
    read(consumer, 4)

    consumer.close()

    assert world.consumer(group_id=f"g-{topic}").committed(TopicPartition(topic, 0)) == 4


def test_too_much_metadata_is_refused(world):
    topic = world.create_topic()
    world.append(topic)
    consumer = member(world, topic)
    read(consumer, 1)

    with pytest.raises(OffsetMetadataTooLargeError):
        consumer.commit({TopicPartition(topic, 0): OffsetAndMetadata(1, "x" * 4097, -1)})


def test_a_second_member_takes_its_share(world):
    topic = world.create_topic(4)
    listener = Listener()
    first, second = member(world, topic, listener), member(world, topic)
    poll_together(first, until=lambda: shares(first) == [4])

    poll_together(first, second, until=lambda: shares(first, second) == [2, 2])

    assert first.assignment() | second.assignment() == {TopicPartition(topic, number) for number in range(4)}
    assert listener.told[0] == ("assigned", {0, 1, 2, 3})
    assert ("revoked", {0, 1, 2, 3}) in listener.told
    assert listener.told[-1] == ("assigned", {partition.partition for partition in first.assignment()})


def test_a_listener_is_called_where_its_version_calls_it(world):
    topic = world.create_topic()
    listener, polled_by = Listener(), []
    consumer = member(world, topic, listener)

    polled_by.append(threading.get_ident())
    while not listener.told:
        consumer.poll(200)

    assert (listener.threads == set(polled_by)) is not world.is_3


def test_an_eager_rebalance_keeps_positions_only_in_3x(world):
    topic = world.create_topic(2)
    world.append(topic, 3, partition=0)
    world.append(topic, 3, partition=1)
    first = member(world, topic)
    read(first, 6)

    second, again = member(world, topic), []
    poll_together(first, second, until=lambda: shares(first, second) == [1, 1], first_reads=again)
    again += [record for records in first.poll(500).values() for record in records]

    (kept,) = first.assignment()
    assert first.position(kept) == 3
    assert [record.offset for record in again if record.partition == kept.partition] == (
        [] if world.is_3 else [0, 1, 2]
    )


def test_an_eager_member_gives_up_in_one_generation_and_gets_in_the_next(world):
    """The number tells in 3.x that no other member can have had a partition in between."""
    topic, seen = world.create_topic(2), []
    first = world.consumer(group_id=f"g-{topic}")
    membership = Membership(first._coordinator, lambda: None)
    first.subscribe([topic], listener=Listener(lambda: seen.append(membership.eager_generation)))
    know_topics(first)
    while len(first.assignment()) < 2:
        first.poll(200)
    membership.notice_changes()
    seen.clear()

    poll_together(first, member(world, topic), until=lambda: shares(first) == [1] and len(seen) >= 2)

    given_up, begun = seen[-2:]
    if world.is_3:  # the bare client forgets an answer that comes between two polls, and joins once more
        assert (begun.member_id, begun.number > given_up.number) == (given_up.member_id, True)
    else:
        assert (given_up, begun) == (None, None)


def test_a_cooperative_rebalance_mentions_only_what_moves(world):
    if not world.is_3:
        pytest.skip("2.x has no cooperative assignor")
    strategy = pytest.importorskip("kafka.coordinator.assignors.cooperative_sticky").CooperativeStickyAssignor
    topic, listener = world.create_topic(4), Listener()
    first = member(world, topic, listener, partition_assignment_strategy=[strategy])
    second = member(world, topic, partition_assignment_strategy=[strategy])
    poll_together(first, until=lambda: shares(first) == [4])

    poll_together(first, second, until=lambda: shares(first, second) == [2, 2])

    revoked = set().union(*(partitions for what, partitions in listener.told if what == "revoked"))
    assert len(revoked) == 2
    assert revoked == {partition.partition for partition in second.assignment()}
    assert [partitions for what, partitions in listener.told if what == "assigned"] == [{0, 1, 2, 3}]


def test_a_plain_callback_may_commit_only_in_2x(world):
    topic = world.create_topic()
    world.append(topic)
    consumer = member(world, topic)
    listener = Listener(lambda: consumer.commit({TopicPartition(topic, 0): OffsetAndMetadata(0, "", -1)}))
    consumer.subscribe([topic], listener=listener)

    read(consumer, 1)

    assert {type(error) for error in listener.errors} == ({RuntimeError} if world.is_3 else set())


def test_closing_tells_the_listener_only_in_3x(world):
    topic, listener = world.create_topic(), Listener()
    consumer = member(world, topic, listener)
    poll_together(consumer, until=lambda: shares(consumer) == [1])

    consumer.close()

    assert listener.told == [("assigned", {0}), *([("revoked", {0})] if world.is_3 else [])]


def test_a_listener_that_raises_is_raised_by_poll_only_in_3x(world):
    topic = world.create_topic()
    world.append(topic)
    consumer = world.consumer(group_id=f"g-{topic}")

    class Broken(Listener):
        def on_partitions_assigned(self, assigned):
            if not self.errors:
                self.errors.append(ValueError("on purpose"))
                raise self.errors[0]

    consumer.subscribe([topic], listener=Broken())

    with pytest.raises(KafkaError, match="callback") if world.is_3 else nullcontext():
        read(consumer, 1)
    if world.is_3:
        assert len(read(consumer, 1)) == 1


def test_who_does_not_poll_is_thrown_out_and_cannot_commit(world):
    topic = world.create_topic(2)
    world.append(topic, 2)
    late, other = member(world, topic, **IMPATIENT), member(world, topic)
    read(late, 2)
    poll_together(late, other, until=lambda: shares(late, other) == [1, 1])

    poll_together(other, until=lambda: shares(other) == [2])

    (partition,) = late.assignment()
    with pytest.raises(CommitFailedError) as raised:
        late.commit({partition: OffsetAndMetadata(1, "", -1)})
    assert is_lost(raised.value)


def test_who_is_thrown_out_while_it_joins_joins_anew_in_silence(world):
    if not world.is_3:
        pytest.skip("2.x has no cooperative assignor")
    strategy = pytest.importorskip("kafka.coordinator.assignors.cooperative_sticky").CooperativeStickyAssignor
    topic, listener = world.create_topic(2), Listener()
    config = {"partition_assignment_strategy": [strategy], **IMPATIENT}
    first, third = member(world, topic, listener, **config), member(world, topic, **config)
    config |= dict.fromkeys(("session_timeout_ms", "max_poll_interval_ms"), 10_000)
    second = member(world, topic, **config)
    poll_together(first, second, until=lambda: shares(first, second) == [1, 1])
    had, told = generation_of(first), list(listener.told)

    # The third one asks all to join. The first one does, but the second one is not heard of for longer than a session.
    poll_together(first, third, until=lambda: first._coordinator.rejoining)
    poll_together(third, until=lambda: shares(third) == [2])
    poll_together(first, third, until=lambda: shares(first, third) == [1, 1])

    assert generation_of(first).member_id != had.member_id
    assert "lost" not in {what for what, _ in listener.told[len(told) :]}


def generation_of(consumer):
    return consumer._coordinator._generation


def test_a_static_member_comes_back_without_a_rebalance(world):
    if "group_instance_id" not in KafkaConsumer.DEFAULT_CONFIG:
        pytest.skip("this kafka-python has no static members")
    topic, listener = world.create_topic(2), Listener()
    stays = member(world, topic, listener, group_instance_id="stays")
    leaves = member(world, topic, group_instance_id="leaves")
    poll_together(stays, leaves, until=lambda: shares(stays, leaves) == [1, 1])
    before, had = list(listener.told), leaves.assignment()

    leaves.close()
    returns = member(world, topic, group_instance_id="leaves")
    poll_together(stays, returns, until=lambda: returns.assignment() == had)
    poll_together(stays, returns, until=has_passed(1.0))

    assert listener.told == before


def has_passed(seconds):
    deadline = time.monotonic() + seconds
    return lambda: time.monotonic() > deadline


def test_a_pattern_finds_its_topics(world):
    topic = world.create_topic()
    world.append(topic)
    consumer = world.consumer(group_id=f"g-{topic}")
    consumer.subscribe(pattern=f"^{topic}$")

    assert read(consumer, 1)[0].topic == topic


def test_who_assigns_by_hand_commits_and_hears_of_no_rebalance(world):
    topic = world.create_topic()
    world.append(topic, 3)
    consumer, partition = world.consumer(group_id=f"g-{topic}"), TopicPartition(topic, 0)
    consumer.assign([partition])
    read(consumer, 3)

    consumer.commit()

    assert consumer.committed(partition) == 3
    with pytest.raises(Exception, match=r"."):
        consumer.subscribe([topic])


def test_who_assigns_by_hand_cannot_commit_for_a_group_that_is_in_use(world):
    topic = world.create_topic()
    world.append(topic, 3)
    owner = member(world, topic)
    read(owner, 3)
    stranger, partition = world.consumer(group_id=f"g-{topic}"), TopicPartition(topic, 0)
    stranger.assign([partition])

    with pytest.raises(CommitFailedError):
        stranger.commit({partition: OffsetAndMetadata(1, "", -1)})
