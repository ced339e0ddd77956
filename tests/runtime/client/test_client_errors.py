"""An error of the client means: try again, or the membership is lost."""

from __future__ import annotations

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
