"""The client's partitions, looked at by a thread that is not its own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kafka import TopicPartition

from kafka_parallel._core.log_ends import FetchedEnd
from kafka_parallel._runtime.client.client_partitions import ClientPartitions

P = TopicPartition("t", 0)


def state(highwater, position, *, paused=False):
    where = None if position is None else SimpleNamespace(offset=position)
    return SimpleNamespace(highwater=highwater, position=where, paused=paused)


@pytest.mark.parametrize(
    ("found", "end"),
    [
        (state(None, None), FetchedEnd(None, is_current=False)),
        (state(7, 3), FetchedEnd(7, is_current=False)),
        (state(7, 7), FetchedEnd(7, is_current=True)),
        (state(7, None), FetchedEnd(7, is_current=False)),
        (state(7, 7, paused=True), FetchedEnd(7, is_current=False)),
    ],
)
def test_an_end_is_current_where_the_client_stands_at_it_and_fetches(found, end):
    subscription = SimpleNamespace(assignment={P: found})

    assert ClientPartitions(SimpleNamespace(_subscription=subscription)).fetched_ends() == {P: end}


def test_a_pause_is_the_users_if_the_consumer_says_so_to_the_user():
    """While it is run it leaves ours out."""
    assert ClientPartitions(SimpleNamespace(paused=lambda: {P})).paused_by_user() == {P}
