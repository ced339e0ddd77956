"""Only a partition that comes straight back to the member that gave it up cannot have been another one's."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kafka import TopicPartition

from kafka_parallel._runtime.client.membership import GroupGeneration
from kafka_parallel._runtime.loop.returns import Returns
from kafka_parallel.testing.fake.clock import ManualClock

ZERO, ONE = TopicPartition("t", 0), TopicPartition("t", 1)
SESSION = 10.0


class Member:
    """A member of a group in its fifth generation, which has one partition."""

    def __init__(self):
        self.clock, self.membership = ManualClock(), SimpleNamespace(eager_generation=GroupGeneration("m", 5))
        self.shown = frozenset([ZERO])
        self.returns = Returns(self, self.clock, SESSION)

    def assignment(self):
        return self.shown

    def come_in(self, generation, *partitions):
        self.membership.eager_generation = generation
        return self.returns.come(partitions)


def test_what_comes_back_in_the_next_generation_was_no_others():
    member = Member()
    member.returns.give_up([ZERO])

    assert member.come_in(GroupGeneration("m", 6), ZERO, ONE) == {ONE}


@pytest.mark.parametrize(
    "generation",
    [GroupGeneration("m", 7), GroupGeneration("m", 5), GroupGeneration("m", 1), GroupGeneration("other", 6), None],
    ids=["one was left out", "the same", "the group began anew", "another member", "none that is known"],
)
def test_what_comes_back_in_another_one_may_have_been_anothers(generation):
    member = Member()
    member.returns.give_up([ZERO])

    assert member.come_in(generation, ZERO) == {ZERO}


def test_a_generation_may_be_over_after_a_session():
    member = Member()
    member.returns.give_up([ZERO])
    member.clock.advance(SESSION)

    assert member.come_in(GroupGeneration("m", 6), ZERO) == {ZERO}


def test_what_the_client_had_given_up_before_may_be_anothers():
    member = Member()
    member.shown = frozenset()
    member.returns.give_up([ZERO])

    assert member.come_in(GroupGeneration("m", 6), ZERO) == {ZERO}


def test_a_partition_counts_for_one_return():
    member = Member()
    member.returns.give_up([ZERO])
    member.come_in(GroupGeneration("m", 6), ZERO)

    assert member.come_in(GroupGeneration("m", 6), ZERO) == {ZERO}


def test_what_was_given_up_as_no_member_may_be_anothers():
    member = Member()
    member.membership = None
    member.returns.give_up([ZERO])
    member.membership = SimpleNamespace(eager_generation=GroupGeneration("m", 6))

    assert member.returns.come([ZERO]) == {ZERO}
