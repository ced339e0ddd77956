"""The question for the commits of several partitions: the same for fake and real."""

from __future__ import annotations

from kafka import OffsetAndMetadata, TopicPartition
from kafka.future import Future

from kafka_parallel._runtime.client.joint_commits import JointCommits
from tests.contract.worlds import poll_together


def committed(world, count):
    """A member with *count* partitions, the first of which has no commit, and the commits of the others."""
    topic = world.create_topic(count)
    consumer = world.consumer(topic, group_id=f"g-{topic}")
    poll_together(consumer, until=lambda: len(consumer.assignment()) == count)
    _, *others = partitions = [TopicPartition(topic, number) for number in range(count)]
    commits = {partition: OffsetAndMetadata(0, f"note {partition.partition}", -1) for partition in others}
    consumer.commit(commits)
    return consumer, partitions, commits


def test_all_commits_are_had_by_one_question(world):
    consumer, partitions, commits = committed(world, 4)
    requests = counted(consumer._coordinator, "_send_offset_fetch_request")

    found = JointCommits(consumer).of(partitions, 60.0)

    assert {partition: commit[:2] for partition, commit in found.items()} == {
        partition: commit[:2] for partition, commit in commits.items()
    }
    assert len(requests) <= 1  # the fake sends none


def counted(owner, name):
    """The arguments of the calls of a method of *owner*, if it has one."""
    called, method = [], getattr(owner, name, None)

    def count(*arguments):
        called.append(arguments)
        return method(*arguments)

    if method is not None:
        setattr(owner, name, count)
    return called


def test_the_client_gives_a_late_answer_to_the_next_question_unless_it_is_dropped(world):
    consumer, partitions, _ = committed(world, 2)
    late = {partitions[1]: OffsetAndMetadata(77, "", -1)}
    kept, commits = consumer._coordinator._offset_fetch_futures, JointCommits(consumer)

    kept[frozenset(partitions)] = Future().success(late)
    assert commits.of(partitions, 60.0) == late

    kept[frozenset(partitions)] = Future().success(late)
    commits.drop_late_answers()
    assert [commit.offset for commit in commits.of(partitions, 60.0).values()] == [0]


def test_without_a_commit_there_is_none(world):
    topic = world.create_topic(2)
    consumer = world.consumer(topic, group_id=f"g-{topic}")

    assert JointCommits(consumer).of([TopicPartition(topic, number) for number in range(2)], 60.0) == {}
