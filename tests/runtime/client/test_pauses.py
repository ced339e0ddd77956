"""A pause ends by the resume of its owner: the user, back-pressure, or a record that cannot be read."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kafka import TopicPartition

from kafka_parallel._runtime.client.pauses import Pauses

P, Q = TopicPartition("t", 0), TopicPartition("t", 1)


class World:
    """A client with partitions, of which each has a flag."""

    def __init__(self, *partitions):
        self.states = {}
        self.assign(*partitions)
        self.pauses = Pauses(self, lambda: self.states)

    def assign(self, *partitions):
        """Assign *partitions* anew, as 2.x does: what it knows of each is a new object."""
        self.states = {partition: SimpleNamespace(paused=False) for partition in partitions}

    def pause(self, partition):
        self.states[partition].paused = True

    def resume(self, partition):
        self.states[partition].paused = False

    @property
    def paused(self):
        return {partition for partition, state in self.states.items() if state.paused}


def test_a_pause_of_the_user_outlasts_a_resume_of_ours():
    world = World(P, Q)
    world.pauses.pause_for_user([P])
    world.pauses.pause([P, Q])

    world.pauses.resume([P, Q])

    assert world.paused == {P}


def test_a_pause_of_ours_outlasts_a_resume_of_the_users():
    world = World(P)
    world.pauses.pause([P])
    world.pauses.pause_for_user([P])

    world.pauses.resume_for_user([P])

    assert world.paused == {P}


def test_the_user_sees_no_pause_but_his_own():
    world = World(P, Q)
    world.pauses.pause_for_user([P])
    world.pauses.pause([P, Q])

    assert world.pauses.of_user() == {P}


def test_what_was_paused_before_the_run_is_the_users():
    world = World(P, Q)
    world.pause(P)
    world.pauses.take_over()

    world.pauses.pause([P, Q])
    world.pauses.drop_ours()

    assert world.paused == {P}
    assert world.pauses.of_user() == {P}


def test_a_pause_of_the_user_ends_with_the_assignment():
    world = World(P)
    world.pauses.pause_for_user([P])
    world.assign(P)

    world.pauses.pause([P])
    world.pauses.resume([P])

    assert world.paused == set()
    assert world.pauses.of_user() == set()


@pytest.mark.parametrize("method", ["pause_for_user", "resume_for_user"])
def test_what_is_not_assigned_raises_to_the_user_as_the_bare_client_does(method):
    with pytest.raises(KeyError):
        getattr(World(P).pauses, method)([Q])


def test_what_is_not_assigned_is_passed_over_for_us():
    world = World(P)

    world.pauses.pause([P, Q])
    world.pauses.resume([Q])

    assert world.paused == {P}


def test_a_partition_stands_at_an_unreadable_record_until_it_is_mended():
    world = World(P, Q)
    world.pauses.stand(P)
    world.pauses.resume([P])
    world.pauses.resume_for_user([P])
    assert world.paused == {P}
    assert world.pauses.stands(P)

    world.pauses.mended(P)

    assert world.paused == set()
    assert not world.pauses.stands(P)


def test_without_a_name_all_are_mended_and_other_pauses_stay():
    world = World(P, Q)
    world.pauses.stand(P)
    world.pauses.stand(Q)
    world.pauses.pause([Q])

    world.pauses.mended()

    assert world.paused == {Q}


def test_a_partition_that_left_and_came_back_stands_no_more():
    world = World(P)
    world.pauses.stand(P)

    world.assign(P)

    assert not world.pauses.stands(P)
