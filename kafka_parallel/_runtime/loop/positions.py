"""The client's position in each partition, told to the scheduler when that may be believed.

A position says "everything below has been handed out, or never will be". It may be committed only if the records below
it have been taken in as well. So positions are not believed from the begin of a poll to the end of taking in its
records, nor after an intake that failed, nor between a poll that failed and the client's way back. An application's
signal handler may raise between any two steps: so trust ends before the client moves, and comes back last. Rebalance
callbacks may look: they run inside of the client's ``poll()``, after all that earlier polls brought was taken in and
before that one hands out anything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from kafka_parallel._logs import area_logger

if TYPE_CHECKING:
    from kafka import TopicPartition

    from kafka_parallel._core.assignment import Jump
    from kafka_parallel._core.scheduler import CommitSnapshot, Scheduler
    from kafka_parallel._runtime.client.consumer_adapter import Client
    from kafka_parallel._runtime.loop.locked_scheduler import LockedScheduler

log = area_logger("poll")

# The largest age of a known position, in seconds. It counts where the client forgets a position before it says that the
# partition leaves: in a cooperative rebalance.
LOOK = 0.1


# see docs/decisions/0059-commit-the-position.md
class Positions:
    """Looks at the client's positions; used by the thread of run(), and by rebalance callbacks while it is in a poll.

    :param unsettled: partitions of which it is decided elsewhere where to go on; changed by its owner.
    """

    def __init__(
        self, client: Client, scheduler: LockedScheduler[TopicPartition], unsettled: Collection[TopicPartition]
    ) -> None:
        self._client = client
        self._scheduler = scheduler
        self._unsettled = unsettled
        self._next_look = float("-inf")
        self._can_be_believed = self._could_be_believed = True

    def distrust(self) -> None:
        """Believe none from now on, before a poll: the client may pass records that are not taken in.

        The poll may pass the target of a jump of the user, and fail: so jumps before it are looked at now.
        """
        if self._client.partitions.user_seeks.forget_jumps():
            self._report_begun()
        self._could_be_believed = self._can_be_believed
        self._can_be_believed = False

    def trust(self) -> None:
        """Believe them again: all that the client passed was taken in, or will be fetched again."""
        self._can_be_believed = True

    def trust_as_before(self) -> None:
        """Believe them as before the latest `distrust`: all that was passed since will be fetched again."""
        self._can_be_believed = self._could_be_believed

    def of_unbegun(self) -> dict[TopicPartition, int]:
        """The positions of partitions of which the scheduler does not know where they begin."""
        unbegun = self._scheduler.ask(lambda scheduler: scheduler.unbegun)
        return self._client.positions(unbegun.difference(self._unsettled)) if unbegun else {}

    def report_if_due(self, now: float) -> None:
        """Look at all partitions that have begun if it is some time since that was done."""
        if now >= self._next_look:
            self.report_begun(now)

    def report_begun(self, now: float) -> None:
        """Look at all partitions that have begun: before a commit, for the application may have jumped since."""
        self._next_look = now + LOOK
        self._report_begun()

    def _report_begun(self) -> None:
        self.report(self._scheduler.ask(lambda scheduler: scheduler.assigned - scheduler.unbegun))

    def report(self, partitions: frozenset[TopicPartition] | None = None) -> None:
        """Tell the scheduler where the client is in *partitions* (all without it), as far as it knows."""
        if self._can_be_believed:
            if partitions is None:
                partitions = self._scheduler.ask(lambda scheduler: scheduler.assigned)
            self._learn(partitions)

    def report_in_callback(self, partitions: frozenset[TopicPartition]) -> None:
        """Tell the same of *partitions* that leave, in a rebalance callback or between two polls."""
        if self._can_be_believed or (self._could_be_believed and self._client.has_moved_nothing):
            self._learn(partitions)

    def _learn(self, partitions: frozenset[TopicPartition]) -> None:
        self.learn(self._client.positions(partitions.difference(self._unsettled)))

    def learn(self, positions: Mapping[TopicPartition, int]) -> CommitSnapshot[TopicPartition]:
        """Tell the scheduler of *positions* that were looked at before this call, and of the jumps up to now.

        A jump shows as one only if it goes back: one forward could be a gap in the log.

        :returns: where assignments are whose start is due to be committed.
        """
        starts = self._scheduler.learn_positions(positions, self._client.partitions.user_seeks.take_begun())
        for jump in self._scheduler.ask(_taken_jumps):
            log.info("%s[%d] goes back from offset %d to %d, by a seek() of the application or a reset of the client: "
                     "%d records that were taken and not finished are given up, and come again", *jump.partition,
                     jump.origin, jump.target, jump.given_up)  # fmt: skip
        return starts

    def go_back(self) -> None:
        """Have everything fetched again that a failed poll passed and did not hand out; believe as before it.

        The client goes on at the target of a jump that the user has made meanwhile.
        """
        expected = self._scheduler.ask(lambda scheduler: scheduler.expected())
        for partition in self._client.partitions.user_seeks.repeat_jumps(self._client.positions(expected)):
            del expected[partition]
        for partition, position in self._client.positions(expected).items():
            if position > expected[partition]:
                self._client.seek(partition, expected[partition])
        self.trust_as_before()


def _taken_jumps(scheduler: Scheduler[TopicPartition]) -> list[Jump[TopicPartition]]:
    found, scheduler.jumps = scheduler.jumps, []
    return found
