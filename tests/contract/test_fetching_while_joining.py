"""A cooperative member fetches from kept partitions while it waits for its group: the same for fake and real."""

from __future__ import annotations

import time

import pytest
from kafka.future import Future

from kafka_parallel._runtime.client import fetching_while_joining
from kafka_parallel._runtime.client.changes import Changes
from kafka_parallel._runtime.client.membership import Membership
from tests.contract.worlds import PATIENCE, know_topics, poll_together, read

# A poll in which a busy broker answers a join.
LONG_MS = 3000
# How long an answer takes over a slow line, in seconds.
LATE = 0.05


@pytest.fixture
def assignors(world):
    if not world.is_3:
        pytest.skip("2.x has no cooperative assignor")
    return pytest.importorskip("kafka.coordinator.assignors.cooperative_sticky")


@pytest.fixture
def rebalance(world, assignors):
    return Waiting(world, assignors)


class Waiting:
    """Two members of two partitions: the first one has given one up, the other one has to join again to get it."""

    def __init__(self, world, assignors, *, by_pattern=False):
        self._world, self._topic = world, world.create_topic(2)
        self._topics = {"pattern": f"^{self._topic}$"} if by_pattern else {"topics": [self._topic]}
        self._config = {"partition_assignment_strategy": [assignors.CooperativeStickyAssignor]}
        self.first = self._member()
        poll_together(self.first, until=lambda: len(self.first.assignment()) == 2)
        self.membership = Membership(self.first._coordinator, lambda: None)
        self.changes = Changes()

    def _member(self):
        member = self._world.consumer(group_id=f"g-{self._topic}", **self._config)
        member.subscribe(**self._topics)
        know_topics(member)
        return member

    def begin(self, poll_ms=20):
        """Let another member ask for its share, and poll no more once the first one gives it up.

        :param poll_ms: long ones where the client is left alone: it forgets an answer that comes between two polls.
        """
        self.other = self._member()
        poll_together(self.other, until=self.first._coordinator.need_rejoin)
        deadline = time.monotonic() + PATIENCE
        while len(self.first.assignment()) == 2 or not self.first._coordinator.rejoining:
            assert time.monotonic() < deadline
            self.first.poll(poll_ms)
        (self.kept,) = (partition.partition for partition in self.first.assignment())

    def fetch_while_joining(self):
        fetching_while_joining.put(self.first._coordinator, self.membership, self.changes)

    def append(self, count):
        for partition in range(2):
            self._world.append(self._topic, count, partition=partition)

    def end(self, reads=0):
        """Let the other one join, and read so many records; return these."""
        found = []
        poll_together(
            self.other,
            self.first,
            until=lambda: len(self.other.assignment()) == 1 and len(found) >= reads,
            first_reads=found,
        )
        return found


def test_the_client_hands_out_nothing_while_it_joins(rebalance):
    rebalance.begin(poll_ms=LONG_MS)
    rebalance.append(3)

    assert rebalance.first.poll(1000) == {}
    rebalance.end()


def test_records_of_kept_partitions_are_handed_out_while_it_joins(rebalance):
    rebalance.fetch_while_joining()
    rebalance.begin()
    rebalance.append(3)

    found = read(rebalance.first, 3)

    assert [(record.partition, record.offset) for record in found] == [(rebalance.kept, offset) for offset in range(3)]
    assert rebalance.first._coordinator.rejoining
    assert rebalance.first.poll(500) == {}
    rebalance.end()


def test_the_partition_that_moves_is_read_by_its_new_owner_alone(rebalance):
    rebalance.fetch_while_joining()
    rebalance.begin()
    rebalance.append(3)
    found = read(rebalance.first, 3)

    others = rebalance.end(reads=3)

    assert {record.partition for record in found} == {rebalance.kept}
    assert [(record.partition, record.offset) for record in others] == [(1 - rebalance.kept, n) for n in range(3)]


def test_an_answer_that_came_between_two_polls_is_taken_in(rebalance):
    rebalance.fetch_while_joining()
    rebalance.begin()
    generation = rebalance.first._coordinator._generation.generation_id

    poll_together(rebalance.other, until=lambda: not rebalance.other._coordinator.rejoining)
    rebalance.end()

    assert rebalance.first._coordinator._generation.generation_id == generation + 1


def test_a_pattern_is_looked_up_over_a_slow_line(world, assignors):
    rebalance = Waiting(world, assignors, by_pattern=True)
    rebalance.fetch_while_joining()
    answer_late(rebalance.first)
    rebalance.begin(poll_ms=0)
    rebalance.append(3)

    others = rebalance.end(reads=3)
    poll_together(rebalance.first, until=lambda: not rebalance.first._coordinator.rejoining)

    assert {record.partition for record in others} == {1 - rebalance.kept}


def answer_late(consumer):
    """Let each update of the metadata be known a while after it was asked for; the fake one knows all at once."""
    cluster = getattr(consumer._coordinator, "_cluster", None)
    if not hasattr(cluster, "request_update"):
        return
    ask, asked = cluster.request_update, []

    def request_update():
        if not asked or asked[-1].is_done:
            asked.append(Future())
            tell = lambda: asked[-1].success(cluster)  # noqa: E731
            ask().add_callback(lambda _: consumer._net.call_later(LATE, tell))
        return asked[-1]

    cluster.request_update = request_update


def test_one_that_is_another_member_by_now_hands_out_nothing_while_it_joins(rebalance):
    rebalance.fetch_while_joining()
    rebalance.membership._id = "another-one"
    rebalance.begin(poll_ms=LONG_MS)
    rebalance.append(3)

    assert rebalance.first.poll(1000) == {}
    rebalance.end()


def test_the_client_is_as_before_once_the_changes_are_taken_back(rebalance):
    rebalance.fetch_while_joining()

    rebalance.changes.undo()

    assert not {"poll", "ensure_active_group", "time_to_next_poll"} & vars(rebalance.first._coordinator).keys()
