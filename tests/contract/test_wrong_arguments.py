"""Arguments that the client refuses, and with which error: the same for the fake consumer and the real one."""

from __future__ import annotations

import pytest
from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import IllegalStateError

FOREIGN = TopicPartition("elsewhere", 0)
NO_PARTITIONS = [None, "topic", 0, ("topic", 0), {"topic": 0}]
OF_PARTITIONS = ["seek_to_beginning", "seek_to_end", "pause", "resume"]
NO_OFFSETS = [
    {"topic": OffsetAndMetadata(0, "", -1)},
    {FOREIGN: 0},
    {FOREIGN: (0, "", -1)},
    {FOREIGN: None},
    ["topic"],
]


@pytest.fixture
def assigned(world):
    """A consumer and the one partition that is assigned to it by hand."""
    topic = world.create_topic()
    world.append(topic, 3)
    consumer, partition = world.consumer(group_id=f"g-{topic}"), TopicPartition(topic, 0)
    consumer.assign([partition])
    assert consumer.position(partition) == 0  # the coordinator is known by now
    return consumer, partition


@pytest.fixture
def refused(world):
    """Names the error for a wrong argument; 2.x asserts."""
    return lambda error: error if world.is_3 else AssertionError


@pytest.mark.parametrize("offset", [-1, None, 2.0, 2.5, "3", b"3"], ids=repr)
def test_a_seek_to_what_is_no_offset_is_refused_and_moves_nothing(assigned, refused, offset):
    consumer, partition = assigned

    with pytest.raises(refused(ValueError), match="Offset must be"):
        consumer.seek(partition, offset)

    assert consumer.position(partition) == 0


@pytest.mark.parametrize("partition", NO_PARTITIONS, ids=repr)
def test_a_seek_in_what_is_no_partition_is_refused_first(assigned, partition):
    consumer, _ = assigned

    with pytest.raises(TypeError, match="partition must be a TopicPartition"):
        consumer.seek(partition, -1)


def test_a_seek_in_a_partition_of_another_consumer_is_refused_after_its_offset(assigned, refused):
    consumer, _ = assigned

    with pytest.raises(refused(ValueError), match="Offset must be"):
        consumer.seek(FOREIGN, -1)
    with pytest.raises(refused(ValueError), match="Unassigned partition"):
        consumer.seek(FOREIGN, 1)


@pytest.mark.parametrize("method", OF_PARTITIONS)
@pytest.mark.parametrize("wrong", NO_PARTITIONS, ids=repr)
def test_what_is_no_partition_is_refused_beside_one(assigned, method, wrong):
    consumer, partition = assigned
    consumer.seek(partition, 1)

    with pytest.raises(TypeError, match="partitions must be TopicPartition namedtuples"):
        getattr(consumer, method)(partition, wrong)

    assert consumer.position(partition) == 1
    assert consumer.paused() == set()


@pytest.mark.parametrize("method", ["seek_to_beginning", "seek_to_end"])
def test_a_jump_to_an_end_of_a_foreign_partition_is_refused_and_moves_nothing(assigned, refused, method):
    consumer, partition = assigned
    consumer.seek(partition, 1)

    with pytest.raises(refused(ValueError), match="Unassigned partition"):
        getattr(consumer, method)(partition, FOREIGN)

    assert consumer.position(partition) == 1


@pytest.mark.parametrize("method", ["seek_to_beginning", "seek_to_end"])
def test_a_jump_in_all_partitions_is_refused_where_none_is_assigned(world, refused, method):
    consumer = world.consumer()

    with pytest.raises(refused(ValueError), match="No partitions are currently assigned"):
        getattr(consumer, method)()


@pytest.mark.parametrize("method", ["pause", "resume"])
def test_a_pause_of_a_foreign_partition_is_no_known_key_and_those_before_it_count(assigned, method):
    consumer, partition = assigned
    if method == "resume":
        consumer.pause(partition)

    with pytest.raises(KeyError):
        getattr(consumer, method)(partition, FOREIGN)

    assert consumer.paused() == ({partition} if method == "pause" else set())


@pytest.mark.parametrize("method", ["position", "highwater", "committed"])
@pytest.mark.parametrize("wrong", NO_PARTITIONS, ids=repr)
def test_a_question_about_what_is_no_partition_is_refused(assigned, method, wrong):
    consumer, _ = assigned

    with pytest.raises(TypeError, match="partition must be a TopicPartition"):
        getattr(consumer, method)(wrong)


@pytest.mark.parametrize("method", ["position", "highwater"])
def test_a_question_about_a_foreign_partition_is_refused(assigned, refused, method):
    consumer, _ = assigned

    with pytest.raises(refused(IllegalStateError), match="Partition is not assigned"):
        getattr(consumer, method)(FOREIGN)


@pytest.mark.parametrize("method", ["commit", "commit_async"])
@pytest.mark.parametrize("offsets", NO_OFFSETS, ids=repr)
def test_a_commit_of_what_are_no_offsets_is_refused_and_stores_nothing(assigned, refused, method, offsets):
    consumer, partition = assigned
    if isinstance(offsets, dict) and FOREIGN in offsets:
        offsets = {partition: offsets[FOREIGN]}
    consumer.commit({partition: OffsetAndMetadata(1, "", -1)})  # an async one is judged at once after it

    with pytest.raises(refused(TypeError)):
        getattr(consumer, method)(offsets)

    assert consumer.committed(partition) == 1


@pytest.mark.parametrize("wrong", ["topic", 5, ("topic", 0)], ids=repr)
def test_an_assignment_of_what_are_no_partitions_fails_at_their_topic(world, wrong):
    with pytest.raises(AttributeError, match="topic"):
        world.consumer().assign([wrong])


def test_an_assignment_of_nothing_ends_the_subscription(world):
    topic = world.create_topic()
    consumer = world.consumer(topic, group_id=f"g-{topic}")

    consumer.assign([])

    assert consumer.subscription() is None
    consumer.assign([TopicPartition(topic, 0)])
    assert consumer.assignment() == {TopicPartition(topic, 0)}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"timeout_ms": -1}, ValueError),
        ({"max_records": 0}, ValueError),
        ({"max_records": -1}, ValueError),
        ({"max_records": 1.0}, TypeError),
        ({"max_records": "1"}, TypeError),
    ],
    ids=repr,
)
def test_a_poll_for_no_time_or_no_number_is_refused(assigned, refused, arguments, error):
    consumer, _ = assigned

    with pytest.raises(refused(error), match="must"):
        consumer.poll(**arguments)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"topics": "topic"}, TypeError),
        ({"topics": {"topic"}}, TypeError),
        ({"topics": [None]}, TypeError),
        ({"topics": [5]}, TypeError),
        ({"topics": [""]}, ValueError),
        ({"topics": ["a/b"]}, ValueError),
        ({"topics": ["topic"], "pattern": "t.*"}, IllegalStateError),
        ({"topics": ["topic"], "listener": 5}, TypeError),
    ],
    ids=repr,
)
def test_a_subscription_to_what_is_no_list_of_topics_is_refused(world, arguments, error):
    with pytest.raises(error):
        world.consumer().subscribe(**arguments)


def test_a_subscription_to_nothing_is_refused(world, refused):
    with pytest.raises(refused(ValueError), match="Must provide topics or pattern"):
        world.consumer().subscribe()


def test_a_second_kind_of_subscription_is_refused(world, assigned):
    consumer, partition = assigned
    by_topics = world.consumer(partition.topic, group_id="other")

    for call in (
        lambda: consumer.subscribe([partition.topic]),
        lambda: by_topics.subscribe(pattern="t.*"),
        lambda: by_topics.assign([partition]),
    ):
        with pytest.raises(IllegalStateError, match="You must choose only one way"):
            call()
