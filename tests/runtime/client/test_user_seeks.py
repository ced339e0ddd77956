"""The jumps of the user: what is noted of them, and what is repeated."""

from __future__ import annotations

from kafka import TopicPartition

from kafka_parallel._runtime.client.user_seeks import UserSeeks

FIRST, SECOND = TopicPartition("t", 0), TopicPartition("t", 1)


def test_jumps_are_taken_out_once_in_the_order_in_which_they_began():
    seeks = UserSeeks()
    seeks.jump_begins([SECOND])
    seeks.jump_begins([FIRST, SECOND])

    assert seeks.take_begun() == [SECOND, FIRST, SECOND]
    assert seeks.take_begun() == []


def test_the_latest_jump_in_a_partition_is_repeated_where_it_is_asked_for():
    seeks, repeated = UserSeeks(), []
    seeks.jump_ends([FIRST, SECOND], lambda partition: repeated.append(("first", partition)))
    seeks.jump_ends([FIRST], lambda partition: repeated.append(("second", partition)))

    assert seeks.repeat_jumps([FIRST]) == {FIRST}
    assert repeated == [("second", FIRST)]
    assert seeks.repeat_jumps([FIRST, SECOND]) == {FIRST, SECOND}
    assert repeated[-1] == ("first", SECOND)


def test_a_jump_that_has_begun_and_failed_is_not_repeated():
    seeks = UserSeeks()
    seeks.jump_begins([FIRST])

    assert seeks.repeat_jumps([FIRST]) == set()


def test_a_jump_is_not_repeated_once_it_is_forgotten():
    seeks = UserSeeks()
    assert not seeks.forget_jumps()
    seeks.jump_ends([FIRST], lambda partition: None)

    assert seeks.forget_jumps()
    assert not seeks.forget_jumps()
    assert seeks.repeat_jumps([FIRST]) == set()
