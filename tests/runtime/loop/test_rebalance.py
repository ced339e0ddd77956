"""Partitions come and leave within one limit of time, with a rebalance callback or without."""

from __future__ import annotations

from types import SimpleNamespace

from kafka import TopicPartition
from kafka.errors import NodeNotReadyError

from kafka_parallel._runtime.loop.rebalance import COMMIT_TIMEOUT, Rebalance
from tests.runtime.app import PARTITION

ZERO, ONE = TopicPartition("t", 0), TopicPartition("t", 1)


class Watching(Rebalance):
    """Writes down which callbacks it would have wished for.

    :param has: the partitions that the client shows.
    :param ours: those that the run holds.
    """

    def __init__(self, has, ours, *, is_joining=False):
        self.heard = []
        self.client = SimpleNamespace(assignment=lambda: frozenset(has), is_joining=is_joining)
        queue = SimpleNamespace(ask=lambda _: frozenset(ours))
        names = ("hooks", "delayed", "drain_timeout", "session_timeout", "is_abandoned")
        super().__init__(self.client, queue, None, None, None, None, set(), **dict.fromkeys(names))

    def assigned(self, partitions):
        self.heard.append(("assigned", set(partitions)))

    def revoked(self, partitions):
        self.heard.append(("revoked", set(partitions)))


def test_what_the_client_has_and_has_not_any_more_is_noticed():
    rebalance = Watching(has=[ONE], ours=[ZERO])

    rebalance.watch_assignment()

    assert rebalance.heard == [("revoked", {ZERO}), ("assigned", {ONE})]
    assert rebalance.may_differ


def test_nothing_is_noticed_where_both_are_the_same():
    rebalance = Watching(has=[ONE], ours=[ONE])
    rebalance.may_differ = True

    rebalance.watch_assignment()

    assert rebalance.heard == []
    assert not rebalance.may_differ


def test_what_the_client_shows_while_it_joins_may_be_another_members_by_now():
    rebalance = Watching(has=[ONE], ours=[], is_joining=True)
    rebalance.may_differ = True

    rebalance.watch_assignment()
    while_it_joined = list(rebalance.heard)
    rebalance.client.is_joining = False
    rebalance.watch_assignment()

    assert while_it_joined == []
    assert rebalance.heard == [("assigned", {ONE})]


def test_all_partitions_of_a_rebalance_share_one_limit_for_asking_where_they_go_on():
    """The kind: a wait with a limit, as many times as there are partitions, inside of one callback."""

    class Meanwhile:
        """A clock, a queue that only lets time pass, and a client without a coordinator."""

        now = 0.0

        def monotonic(self) -> float:
            return self.now

        def wait_until(self, _, timeout: float) -> bool:
            self.now += timeout
            return False

        def positions(self, partitions):
            return dict.fromkeys(partitions, 7)

        def committed(self, _, timeout: float) -> int:
            self.now += timeout
            raise NodeNotReadyError("no coordinator")

        def seek(self, partition, offset: int) -> None:
            pass

    it, partitions = Meanwhile(), [PARTITION._replace(partition=number) for number in range(60)]
    rebalance = Rebalance(
        it, it, None, None, it, None, set(), hooks=None, delayed=(),
        drain_timeout=1.0, session_timeout=1.0, is_abandoned=lambda: False,
    )  # fmt: skip
    rebalance._resume_at = dict.fromkeys(partitions, 3)

    assert rebalance._go_on(frozenset(partitions)) == dict.fromkeys(partitions, 3)
    assert it.now <= COMMIT_TIMEOUT + 0.1
