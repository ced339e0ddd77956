"""Records of a partition that the client has and the run has not. Kind: a loop that polls without a wait for nothing.

A member that was fenced while it waited for the others of its group is handed records of the partitions it gave up.
"""

from __future__ import annotations

from types import SimpleNamespace

from kafka import TopicPartition

from kafka_parallel._runtime.loop.poll_loop import LONGEST_POLL, Loop

OURS, FOREIGN = TopicPartition("t", 0), TopicPartition("t", 1)


class Queue:
    """A locked scheduler that has one partition, and notes how long it was waited for."""

    def __init__(self):
        self.waits = []

    def ask(self, question):
        return question(SimpleNamespace(foreign=lambda batch: [found for found in batch if found != OURS]))

    def wait_until(self, predicate, timeout):
        self.waits.append(timeout)


def loop():
    found = Loop.__new__(Loop)
    found._scheduler, found.sought = Queue(), []
    found._client = SimpleNamespace(seek=lambda *place: found.sought.append(place))
    found._rebalance = SimpleNamespace(unsettled=set())
    return found


def records(*offsets):
    return [SimpleNamespace(offset=offset) for offset in offsets]


def test_they_are_given_back_and_time_passes_before_they_come_again():
    found = loop()

    taken = found._ours({OURS: records(1), FOREIGN: records(5, 6)})

    assert list(taken) == [OURS]
    assert found.sought == [(FOREIGN, 5)]
    assert found._scheduler.waits == [LONGEST_POLL]


def test_nothing_waits_where_all_is_ours():
    found = loop()

    assert list(found._ours({OURS: records(1)})) == [OURS]
    assert found._scheduler.waits == []
