"""A member that has joined its group anew without a word is noticed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kafka.errors import CommitFailedError, RebalanceInProgressError

from kafka_parallel._runtime.client.membership import GroupGeneration, Membership


class World:
    """A coordinator, and how often it was told that its member joined anew."""

    def __init__(self, member_id=""):
        self.coordinator = SimpleNamespace(_generation=SimpleNamespace(member_id=member_id), rejoining=False)
        self.told = 0
        self.membership = Membership(self.coordinator, self.tell)

    def tell(self):
        self.told += 1

    def look(self, member_id, *, rejoining=False):
        self.coordinator._generation.member_id = member_id
        self.coordinator.rejoining = rejoining
        self.membership.notice_changes()
        return self.told


def test_the_first_id_is_no_news():
    assert World().look("m-1") == 0


def test_another_id_is_told_once():
    world = World("m-1")

    assert world.look("m-2") == 1
    assert world.look("m-2") == 1


def test_the_same_id_is_no_news_after_a_time_without_one():
    world = World("m-1")

    assert world.look("") == 0
    assert world.look("m-1") == 0


def test_an_id_counts_once_the_member_has_joined_with_it():
    world = World("m-1")

    assert world.look("m-2", rejoining=True) == 0
    assert world.look("m-2") == 1


def test_a_client_without_a_group_never_joins():
    membership = Membership(None, lambda: 1 / 0)

    membership.notice_changes()


def test_it_is_told_before_a_rebalance_acts():
    world, acts = World("m-1"), []
    act = world.membership.before(lambda partitions: acts.append((world.told, partitions)))
    world.coordinator._generation.member_id = "m-2"

    act(frozenset("p"))

    assert acts == [(1, frozenset("p"))]


def telling(world, generation=3, member_id="m-1"):
    """Let the client tell that membership."""
    told = SimpleNamespace(group_id="g", generation_id=generation, member_id=member_id)
    world.coordinator.group_metadata = lambda: told
    return told


def test_it_is_told_what_offsets_are_committed_under():
    world = World("m-1")
    assert not world.membership.has_metadata
    told = telling(world)

    assert world.membership.has_metadata
    assert world.membership.metadata(is_leaving=False) is told


@pytest.mark.parametrize(("generation", "member_id"), [(-1, "m-1"), (3, ""), (4, "m-2")])
def test_a_member_that_was_removed_or_has_joined_anew_may_commit_nothing(generation, member_id):
    world = World("m-1")
    telling(world, generation, member_id)

    with pytest.raises(CommitFailedError):
        world.membership.metadata(is_leaving=True)


def test_a_member_that_joins_commits_later_except_for_partitions_that_leave():
    world = World("m-1")
    told = telling(world)
    world.coordinator.rejoining = True

    with pytest.raises(RebalanceInProgressError):
        world.membership.metadata(is_leaving=False)
    assert world.membership.metadata(is_leaving=True) is told


@pytest.mark.parametrize(
    ("generation", "member_id", "is_unchanged"), [(3, "m-1", True), (-1, "m-1", False), (3, "m-2", False)]
)
@pytest.mark.parametrize("rejoining", [False, True])
def test_it_is_unchanged_while_it_has_the_id_that_was_seen_and_a_generation(
    generation, member_id, is_unchanged, rejoining
):
    world = World("m-1")
    world.coordinator._generation = SimpleNamespace(generation_id=generation, member_id=member_id)
    world.coordinator.rejoining = rejoining

    assert world.membership.is_unchanged is is_unchanged


@pytest.mark.parametrize("coordinator", [None, SimpleNamespace(_generation=SimpleNamespace(member_id=""))])
def test_a_member_that_has_not_joined_yet_is_not_unchanged(coordinator):
    assert not Membership(coordinator, lambda: None).is_unchanged


def generation_of(protocol, *, number=5, seen="m-1", is_2=False):
    """The generation of a member that was last seen as *seen*."""
    coordinator = SimpleNamespace(_generation=SimpleNamespace(member_id=seen, generation_id=number), rejoining=False)
    if not is_2:
        coordinator._rebalance_protocol = SimpleNamespace(name=protocol)
    membership = Membership(coordinator, lambda: None)
    coordinator._generation.member_id = "m-1"
    return membership.eager_generation


def test_the_generation_of_an_eager_group_is_known():
    assert generation_of("EAGER") == GroupGeneration("m-1", 5)


def test_there_is_no_eager_generation_where_all_is_not_given_up_or_nothing_is_held():
    assert generation_of("COOPERATIVE") is None
    assert generation_of("EAGER", number=-1) is None
    assert generation_of("EAGER", seen="m-0") is None
    assert generation_of("EAGER", is_2=True) is None


@pytest.mark.parametrize(
    ("later", "follows"), [(("m", 6), True), (("m", 7), False), (("m", 5), False), (("n", 6), False)]
)
def test_a_generation_follows_the_one_before_it_for_the_same_member(later, follows):
    assert GroupGeneration(*later).follows(GroupGeneration("m", 5)) is follows
