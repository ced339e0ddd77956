"""An error of the client means: try again, or the membership is lost."""

from __future__ import annotations

import pytest
from kafka import TopicPartition
from kafka.errors import (
    CommitFailedError,
    RebalanceInProgressError,
)

from kafka_parallel._runtime.client.client_errors import is_lost, is_retriable


class TryAgainError(Exception):
    """A user's error that says of itself what kafka-python's say."""

    retriable = True


def test_which_error_means_what():
    rebalancing = CommitFailedError(RebalanceInProgressError())

    assert is_retriable(rebalancing)
    assert not is_lost(rebalancing)
    assert is_lost(CommitFailedError("thrown out"))
    assert not is_retriable(TryAgainError())


def test_a_partition_that_an_assign_took_away_is_looked_up_again():
    """Kind: assign() on another thread in the middle of a poll, which ended the run with the client's KeyError."""
    looked_up, of_user = {"__name__": "kafka.consumer.fetcher"}, {"__name__": "app"}
    source = "def look_up(assignment, partition):\n    return assignment[partition]"
    exec(source, looked_up)
    exec(source, of_user)

    assert is_retriable(raised(lambda: looked_up["look_up"]({}, TopicPartition("t", 0))))
    assert not is_retriable(raised(lambda: looked_up["look_up"]({}, "t")))


def raised(act):
    with pytest.raises(KeyError) as caught:
        act()
    return caught.value
