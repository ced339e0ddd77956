"""The assignment and the loss of partitions.

The acts are called by the listener (see ``rebalance_listener.py``) while the loop is inside ``poll()``, so nothing is
fetched or fed meanwhile; workers go on. Partitions that a cooperative rebalance leaves with us are never mentioned and
never disturbed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kafka_parallel._logs import area_logger
from kafka_parallel._runtime.client.client_errors import is_retriable
from kafka_parallel._runtime.loop import reports
from kafka_parallel._runtime.loop.assign_answers import AssignAnswers
from kafka_parallel._runtime.loop.committed_offsets import CommittedOffsets
from kafka_parallel._runtime.loop.committer import CommitResult, Committer
from kafka_parallel._runtime.loop.finishing import wait_drained
from kafka_parallel._runtime.loop.returns import Returns
from kafka_parallel._runtime.loop.sentences import named
from kafka_parallel.errors import CommitFailed

if TYPE_CHECKING:
    from kafka import TopicPartition

    from kafka_parallel._core.scheduler import Ended
    from kafka_parallel._plugins.hooks import Hooks
    from kafka_parallel._runtime.client.consumer_adapter import Client
    from kafka_parallel._runtime.clock import Clock
    from kafka_parallel._runtime.loop.locked_scheduler import LockedScheduler
    from kafka_parallel._runtime.loop.positions import Positions
    from kafka_parallel._runtime.loop.stuck_handlers import StuckHandlers

log = area_logger("rebalance")

# The length of one wait, in seconds, before the check for an order to abandon work.
SLICE = 0.1
# The time that the commit before a revoke may take in all, in seconds.
COMMIT_TIMEOUT = 5.0
# The time that one question for a committed offset may take while the loop goes on, in seconds.
SETTLE_TIMEOUT = 1.0


# see docs/decisions/0013-callbacks-inside-poll.md
class Rebalance:
    """Answers to rebalances.

    :param delayed: topics that a plugin has this consumer read too.
    :param drain_timeout: seconds that running records get to finish before their partitions leave.
    :param session_timeout: seconds without a heartbeat after which the group gives up a member.
    :param leave_by: tells until when running records may run in all, in seconds of the monotonic clock.
    :param is_transactional: whether records that are finished and not committed have to be handled again: their results
        are gone with the assignment.
    :param is_abandoned: tells whether nothing shall be waited for any more.
    :param positions: looks at where the client is.
    :ivar assign_answers: asks plugins for records that were finished before their partitions came.
    :ivar counts: how often partitions were assigned, revoked and lost.
    :ivar failure: the error of a rebalance, until the loop raises it.
    :ivar has_joined: whether the first rebalance is over, with partitions or without.
    :ivar is_under_way: whether an act waits for running records, for a commit, or for a plugin; any thread may look.
    :ivar may_differ: whether the client may have partitions that are not ours.
    :ivar draining: partitions that leave when their running records have finished, or by that time, in seconds of the
        monotonic clock; ``None`` while none do.
    :ivar unsettled: partitions of delayed topics of which it is not known yet where to go on.
    """

    def __init__(
        self,
        client: Client,
        scheduler: LockedScheduler[TopicPartition],
        committer: Committer,
        stuck_handlers: StuckHandlers,
        clock: Clock,
        positions: Positions,
        unsettled: set[TopicPartition],
        *,
        hooks: Hooks,
        delayed: Collection[str],
        drain_timeout: float,
        session_timeout: float,
        leave_by: Callable[[], float],
        is_abandoned: Callable[[], bool],
        is_transactional: bool = False,
    ) -> None:
        self._client = client
        self._scheduler = scheduler
        self._committer = committer
        self._stuck_handlers = stuck_handlers
        self._clock = clock
        self._positions = positions
        self._hooks = hooks
        self._committed_offsets = CommittedOffsets(client, scheduler, clock)
        self.assign_answers = AssignAnswers(hooks, self._committed_offsets)
        self._returns = Returns(client, clock, session_timeout)
        self._delayed = delayed
        self._drain_timeout = drain_timeout
        self._session_timeout = session_timeout
        self._leave_by = leave_by
        self._is_abandoned = is_abandoned
        self._is_transactional = is_transactional
        self._resume_at: dict[TopicPartition, int | None] = {}
        self.counts = {"assigned": 0, "revoked": 0, "lost": 0}
        self.failure: Exception | None = None
        self.has_joined = self.is_under_way = False
        self.may_differ = False
        self.draining: tuple[frozenset[TopicPartition], float] | None = None
        self.unsettled = unsettled

    def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Begin assignments of those *partitions* that are not ours yet."""
        if new := partitions - self._scheduler.ask(lambda scheduler: scheduler.assigned):
            with self._under_way():
                self._try_to_begin(new)
        self.has_joined = True

    @contextmanager
    def _under_way(self) -> Iterator[None]:
        self.is_under_way = True
        try:
            yield
        finally:
            self.is_under_way = False

    def _try_to_begin(self, new: frozenset[TopicPartition]) -> None:
        try:
            self._begin_assignments(new)
        except Exception as error:  # noqa: BLE001 - kafka-python would only log it; the loop raises it
            self._failed("taking", new, error)

    def _begin_assignments(self, new: frozenset[TopicPartition]) -> None:
        self._client.joint_commits.drop_late_answers()
        done = self.assign_answers.announce(new)
        starts = self._go_on(new)
        self._scheduler.assign(new, done, starts)
        self.counts["assigned"] += 1
        reports.assigned(new)
        for partition in new - starts.keys():
            if partition.topic in self._delayed:
                self.unsettled.add(partition)
                self._scheduler.defer(partition, float("inf"))

    def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Let running records of *partitions* finish within the bound, commit, and end their assignments."""
        if ours := partitions & self._scheduler.ask(lambda scheduler: scheduler.assigned):
            with self._under_way():
                self._let_go(ours)

    def _let_go(self, ours: frozenset[TopicPartition]) -> None:
        try:
            self._positions.report_in_callback(ours)
            self._drain(ours)
            answer = self._commit(ours)
        except Exception as error:  # noqa: BLE001 - kafka-python would only log it; the loop raises it
            self._failed("revoking", ours, error)
            self._end(ours, lost=True)
            return
        finally:
            self.draining = None
        if answer is CommitResult.LOST:
            self.lost_unsaid(ours | self._committer.lost)
        else:
            reports.left(ours)
            self._returns.give_up(ours)
            self._end(ours, lost=False)

    def raise_failure(self) -> None:
        """Raise the error of a rebalance, once."""
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure

    def _failed(self, act: str, partitions: frozenset[TopicPartition], error: Exception) -> None:
        """Keep the first *error* for the loop, which raises it, and say each: after this one, others may follow."""
        log.error("%s %s failed: their uncommitted records are processed again, and run() ends with the error",
                  act, named(partitions), exc_info=error)  # fmt: skip
        if self.failure is None:
            self.failure = error

    def lost(self, partitions: frozenset[TopicPartition]) -> None:
        """End the assignments of *partitions*, which are another member's already; nothing is committed."""
        ours = partitions & self._scheduler.ask(lambda scheduler: scheduler.assigned)
        if ours:
            reports.lost(ours, self._stuck_handlers.longest_gap(2 * self._session_timeout), self._session_timeout)
            self._end(ours, lost=True)

    def lost_unsaid(self, partitions: frozenset[TopicPartition]) -> None:
        """End the assignments of *partitions*; if the client says nothing of it, it may have them still, or again."""
        self.lost(partitions)
        self.may_differ = True

    def watch_assignment(self) -> None:
        """Notice partitions changed by assign(), or given up after a refused commit and never lost by the client."""
        if self._client.is_joining:  # it still shows partitions then that others may get by this very join
            return
        now, before = self._client.assignment(), self._scheduler.ask(lambda scheduler: scheduler.assigned)
        self.may_differ = now != before
        if before - now:
            self.revoked(before - now)
        if now - before:
            self.assigned(now - before)

    def joined_anew(self) -> None:
        """End all assignments: others may have had the partitions before the client joined anew."""
        self.lost_unsaid(self._scheduler.ask(lambda scheduler: scheduler.assigned))

    def _go_on(self, partitions: frozenset[TopicPartition]) -> dict[TopicPartition, int]:
        """Seek back to dropped records if the client kept a position past them; return these offsets."""
        known = {partition: self._resume_at.pop(partition) for partition in partitions & self._resume_at.keys()}
        kept = self._client.positions(known)
        elsewhere = self._returns.come(partitions)
        # With transactions the last commit may be stored although its answer was an error.
        committed = self._committed(kept.keys() if self._is_transactional else kept.keys() & elsewhere)
        starts = {
            partition: max(_or(known[partition], position), committed.get(partition, -1))
            for partition, position in kept.items()
        }
        for partition, offset in starts.items():
            self._client.seek(partition, offset)
        return {partition: offset for partition, offset in starts.items() if known[partition] is not None}

    # see docs/decisions/0015-seek-back.md
    def locate_delayed_topics(self) -> None:
        """Find out where delayed topics go on: at their beginning if nothing is committed there.

        A record in them was finished in its own topic: with ``auto_offset_reset="latest"`` a crash before the first
        commit would lose it. So nothing of them is taken before it is known; the loop asks again until it is.

        :raises KafkaError: the committed offset cannot be had for good.
        """
        if not self.unsettled:
            return
        known = self._committed_offsets.together(self.unsettled, SETTLE_TIMEOUT / 2)
        for partition in sorted(self.unsettled):
            try:
                offset = self._client.committed(partition, SETTLE_TIMEOUT) if known is None else known.get(partition)
            except Exception as error:
                if not is_retriable(error):
                    raise
                return
            if offset is None:
                self._client.seek_to_beginning(partition)
            else:
                self._client.seek(partition, offset)
            self.unsettled.discard(partition)
            self._scheduler.defer(partition, 0.0)

    def _committed(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The group's committed offsets, as far as known: others may have had the partitions since we gave them up."""
        found, unknown = self._committed_offsets.offsets(partitions)
        if unknown and self._is_transactional:
            raise CommitFailed(
                f"the committed offset of {named(unknown)} is not known, and with transactions no record may "
                "be handled that another member has committed"
            ) from next(iter(unknown.values())).__cause__
        for partition in unknown:
            log.warning("the committed offset of %s[%d] is not known: records that others handled since we gave the "
                        "partition up will be processed again", partition.topic, partition.partition)  # fmt: skip
        return found

    def _drain(self, partitions: frozenset[TopicPartition]) -> None:
        """Wait for running records; a stop that is requested meanwhile bounds the wait too, counted from its request.

        Records that cannot run before the new end are not waited for either, so the scheduler hears of each.
        """
        latest, deadline = self._clock.monotonic() + self._drain_timeout, float("inf")
        while (end := min(latest, self._leave_by())) < deadline:
            deadline = end
            self._drain_until(partitions, end)

    def _drain_until(self, partitions: frozenset[TopicPartition], end: float) -> None:
        self.draining = partitions, end
        reports.revoking(partitions, max(0.0, end - self._clock.monotonic()))
        reports.will_repeat(self._scheduler.drain(partitions, end), "revoke", self._client.group_id)
        wait_drained(
            self._scheduler, self._clock, partitions, end, SLICE,
            lambda: self._is_abandoned() or self._leave_by() < end, self._stuck_handlers.check,
        )  # fmt: skip

    def _commit(self, partitions: frozenset[TopicPartition]) -> CommitResult:
        deadline = self._clock.monotonic() + COMMIT_TIMEOUT
        answer = self._committer.commit("revoke", COMMIT_TIMEOUT, partitions)
        while answer is CommitResult.RETRY and (left := deadline - self._clock.monotonic()) > 0:
            self._scheduler.wait_until(lambda _: False, min(SLICE, left))
            answer = self._committer.commit("revoke", left, partitions)
        return answer

    def _end(self, partitions: frozenset[TopicPartition], *, lost: bool) -> None:
        self.unsettled -= partitions
        self.counts["lost" if lost else "revoked"] += 1
        ended = self._scheduler.end_assignments(partitions)
        self._client.resume([partition for partition, how in ended.items() if how.was_paused])
        for partition, how in ended.items():
            self._remember(partition, how, lost=lost)
        self._hooks.on_revoke(partitions, lost=lost)

    def _remember(self, partition: TopicPartition, how: Ended, *, lost: bool) -> None:
        """Note where to go on if the partition comes back and the client kept a position past dropped records."""
        if self._client.has_group_assignment:
            self._resume_at[partition] = how.restart_at if self._is_transactional else how.resume_at
        if how.running or (how.unbegun and not lost):
            log.warning(
                "%d records of %s[%d] were still running when the partition %s%s: they will be processed again "
                "by its next owner", how.running, partition.topic, partition.partition,
                "was lost" if lost else "was revoked", reports.and_unbegun(how.unbegun),
            )  # fmt: skip


def _or(offset: int | None, position: int) -> int:
    return position if offset is None else offset
