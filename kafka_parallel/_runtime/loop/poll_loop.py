"""The work of the thread of run(): the only one that polls.

`Loop.step` is one round: apply pressure, commit if due, poll, feed. `Loop.drain_and_commit` is the way out. Both only
wait through the client, the scheduler and the clock they were given, so a test can drive them act by act.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from kafka_parallel._core.backpressure import Decision
from kafka_parallel._core.scheduler import CommitSnapshot
from kafka_parallel._logs import area_logger
from kafka_parallel._runtime.client.client_errors import is_retriable
from kafka_parallel._runtime.client.polled_records import HeldBack
from kafka_parallel._runtime.handlers.deadlines import described
from kafka_parallel._runtime.loop import reports
from kafka_parallel._runtime.loop.committer import CommitResult
from kafka_parallel._runtime.loop.finishing import SHARE, finish_buffered, time_of_attempt, wait_drained
from kafka_parallel.errors import MemberFenced
from kafka_parallel.values import BackpressureEvent

if TYPE_CHECKING:
    from kafka import TopicPartition

    from kafka_parallel._plugins.hooks import Hooks
    from kafka_parallel._runtime.client.consumer_adapter import Client
    from kafka_parallel._runtime.clock import Clock
    from kafka_parallel._runtime.loop.committer import Committer
    from kafka_parallel._runtime.loop.intake import Intake
    from kafka_parallel._runtime.loop.locked_scheduler import LockedScheduler
    from kafka_parallel._runtime.loop.log_end_watch import LogEndWatch
    from kafka_parallel._runtime.loop.positions import Positions
    from kafka_parallel._runtime.loop.rebalance import Rebalance
    from kafka_parallel._runtime.loop.shutdown import Shutdown
    from kafka_parallel._runtime.loop.stuck_handlers import StuckHandlers

log = area_logger("poll")
commit_log = area_logger("commits")

# The longest poll, in seconds: how late stop() may be noticed, and a commit that the work of handlers makes due.
LONGEST_POLL = 0.1
# The wait between two polls while a partition is paused, unless it may be resumed before: records fetched of others
# meanwhile are as late as this. So it is done only for as long after something was paused or resumed; later the paused
# partitions are slow or stuck, and the loop waits in poll(), for this share of the time that nothing has changed.
LOOK_WHILE_PAUSED = 0.002
SHARE_IN_POLL = 1 / 8
# The wait for work to run out between two polls that only keep the member alive.
KEEP_ALIVE = 0.05
# The interval at which the way out names the records it waits for, in seconds.
REPORT_AFTER = 5.0
# The time that one commit may wait for its answer while records go on being processed.
COMMIT_TIMEOUT = 10.0


class Loop:
    """One consumer's poll loop.

    :param intake: takes in the records of a poll.
    :param positions: looks at where the client is.
    :param log_ends: looks at where the logs end.
    :param idle_timeout: seconds without a record and without work after which a poll that brings nothing is the last.
    :ivar thread_id: the thread that it runs on; ``None`` before it begins.
    :ivar polled_at: when it came out of ``poll()``, in seconds of the monotonic clock; ``None`` before the first time.
    """

    def __init__(
        self,
        client: Client,
        scheduler: LockedScheduler[TopicPartition],
        intake: Intake,
        positions: Positions,
        log_ends: LogEndWatch,
        committer: Committer,
        rebalance: Rebalance,
        stuck_handlers: StuckHandlers,
        shutdown: Shutdown,
        clock: Clock,
        *,
        hooks: Hooks,
        idle_timeout: float,
    ) -> None:
        self._client = client
        self._scheduler = scheduler
        self._intake = intake
        self._positions = positions
        self._log_ends = log_ends
        self._committer = committer
        self._rebalance = rebalance
        self._stuck_handlers = stuck_handlers
        self._shutdown = shutdown
        self._clock = clock
        self._hooks = hooks
        self._max_poll_records = client.config["max_poll_records"]
        self._idle_timeout = idle_timeout
        self.polled_at: float | None = None
        self.thread_id: int | None = None
        self._fed: Collection[TopicPartition] = ()
        self._may_poll = True
        self._is_commit_asked = False
        self._is_ahead = False  # whether workers had enough to do when it last waited for them, and nothing came since
        self._last_activity = self._changed_at = self._told_at = clock.monotonic()

    def start_idle_timer(self) -> None:
        """Start to count the time without a record: making workers ready may have taken longer than that."""
        self.thread_id = threading.get_ident()
        self._last_activity = self._clock.monotonic()

    @property
    def is_over(self) -> bool:
        """True if there is a reason to end the loop."""
        return self.over_by is not None

    @property
    def over_by(self) -> str | None:
        """The reason to leave, for the log; ``None`` while there is none."""
        if self._shutdown.is_requested:
            return self._shutdown.requested_by
        if self._scheduler.failure is not None:
            task = self._scheduler.failure[0]
            return "a broken executor" if task is None else f"the failure of {described(task)}"
        if self.polled_at is not None and self.polled_at - self._last_activity >= self._idle_timeout:
            return f"consumer_timeout_ms={self._idle_timeout * 1000:g} without a record"
        return None

    def step(self) -> None:
        """Do one round.

        :raises Exception: the final error of polling, committing or a rebalance.
        :raises MemberFenced: another member took this one's place: all partitions are its, and were given up.
        """
        try:
            self._go_round()
        except MemberFenced:
            self._may_poll = False
            self._lose_all()
            raise

    def _go_round(self) -> None:
        if self._rebalance.may_differ or not self._client.has_group_assignment:
            self._rebalance.watch_assignment()
        self._rebalance.locate_delayed_topics()
        self._stuck_handlers.check()
        decision = self._scheduler.decide_pauses(self._fed)
        self._apply(decision)
        self._commit_starts(self._positions.of_unbegun())
        self._commit_if_due()
        self._positions.distrust()
        fetched = self._poll(decision)
        self._feed(fetched if decision.room else self._refetch(fetched), decision.bytes_left)
        self._positions.trust()
        self.polled_at = now = self._clock.monotonic()
        self._positions.report_if_due(now)
        self._log_ends.look_if_due(now)
        self._rebalance.raise_failure()

    # Back-pressure

    def _apply(self, decision: Decision[TopicPartition]) -> None:
        if decision.paused:  # each time anew: the user may have resumed one that he had paused before us
            self._client.pause(decision.paused)
        if not decision.pause and not decision.resume:
            return
        self._changed_at = self._clock.monotonic()
        self._client.resume(decision.resume)
        event = BackpressureEvent(decision.pause, decision.resume, decision.total.records, decision.total.bytes)
        self._hooks.on_backpressure(event)

    # Commits

    def ask_for_commit(self) -> None:
        """Have the next round commit the records finished by then; from any thread or signal handler."""
        self._is_commit_asked = True

    def _commit_if_due(self) -> None:  # see docs/decisions/0048-commits-do-not-stop-the-loop.md
        """Take the answer in to the commit on its way, and send the next if one is due: one is on its way at a time."""
        committer = self._committer  # where poll() is not called any more, the client reads answers only if it is told
        self._answered(committer.take_answer() if self._may_poll else committer.wait(LONGEST_POLL))
        if not committer.is_on_its_way and self._is_due(is_asked=self._is_commit_asked):
            self._is_commit_asked = False  # if it was asked again meanwhile, this commit covers that too
            self._positions.report_begun(self._clock.monotonic())
            self._answered(committer.send(COMMIT_TIMEOUT))

    def _is_due(self, *, is_asked: bool = False, begins: bool = False) -> bool:
        due = self._scheduler.commit_due(is_asked=is_asked, begins=begins)
        if due is not None:
            commit_log.debug(
                "a commit is due (%s): %d records were finished since the last one", due.reason, due.finished
            )
        return due is not None

    def _answered(self, answer: CommitResult | None) -> None:
        if answer is None:
            return
        self._scheduler.commit_answered(failed=answer is CommitResult.RETRY)
        if answer is CommitResult.LOST:
            self._rebalance.lost_unsaid(self._committer.lost)

    def _lose_all(self) -> None:
        self._rebalance.lost(self._scheduler.ask(lambda scheduler: scheduler.assigned))

    # Fetching

    def _poll(self, decision: Decision[TopicPartition]) -> Mapping[TopicPartition, Sequence[Any]]:
        if self._client.failure is not None:
            self._end_by(self._client.failure)
        try:
            if decision.room == 0 or decision.is_all_paused:
                self._wait_for_workers(min(KEEP_ALIVE, self._committer.look_within(self._clock.monotonic())))
                return self._client.poll(0, 1)
            return self._fetch(decision)
        except MemberFenced:
            raise
        except Exception as error:  # noqa: BLE001 - raised again, or tried again
            if isinstance(error, HeldBack):
                self._positions.learn(error.places)  # the next start begins there
            if not is_retriable(error):
                self._end_by(error)
            self._positions.go_back()
            log.warning("poll() failed and is tried again: %r", error)
            self._scheduler.wait_until(lambda _: False, LONGEST_POLL)
            return {}

    def _end_by(self, error: Exception) -> NoReturn:  # see docs/decisions/0062-finish-after-a-fatal-poll.md
        """Never poll again, finish the taken records, and raise *error*."""
        self._may_poll = False
        longest = SHARE * self._client.config["max_poll_interval_ms"] / 1000
        log.error("poll() failed for good (%r): the records taken so far are finished, then run() ends with it", error)
        parts = self._scheduler, self._stuck_handlers, self._clock
        try:
            finish_buffered(*parts, longest, self._must_leave, self._commit_if_due)
        except Exception:
            log.exception("a second error while the records taken so far are finished")
        raise error

    def _must_leave(self) -> bool:
        return self._shutdown.is_requested or self._scheduler.failure is not None

    def _fetch(self, decision: Decision[TopicPartition]) -> Mapping[TopicPartition, Sequence[Any]]:
        """Poll for records: a poll cannot be woken up, so while one may have to be resumed soon, wait outside."""
        now, due = self._clock.monotonic(), min(decision.held.values(), default=float("inf"))
        # A due commit is sent when the one on its way has its answer, and that is not worth an end to waiting.
        wait = self._scheduler.ask(lambda scheduler: scheduler.commits.wait(now))
        until_commit = LONGEST_POLL if self._committer.is_on_its_way else wait
        longest, most = min(until_commit, max(0.0, due - now)), min(self._max_poll_records, decision.room)
        if not decision.paused - decision.held.keys():
            return self._client.poll(min(LONGEST_POLL, longest), most, in_slices=self._is_ahead)
        unchanged = now - self._changed_at
        if unchanged >= LOOK_WHILE_PAUSED:
            self._is_ahead = not self._scheduler.ask(lambda scheduler: scheduler.wants_more)
            wait = min(LONGEST_POLL, longest, unchanged * SHARE_IN_POLL)
            return self._client.poll(wait, most, in_slices=self._is_ahead)
        if not (fetched := self._client.poll(0, most, in_slices=self._is_ahead)):
            self._wait_for_workers(min(LOOK_WHILE_PAUSED, longest, self._committer.look_within(now)))
        return fetched

    def _wait_for_workers(self, longest: float) -> None:
        """Wait until workers need more, *longest* seconds at most; if they do not, there is time for slices."""
        self._is_ahead = not self._scheduler.wait_until(lambda scheduler: scheduler.wants_more, longest)

    def _refetch(self, fetched: Mapping[TopicPartition, Sequence[Any]]) -> Mapping[TopicPartition, Sequence[Any]]:
        """Take nothing of *fetched*: it came with a poll that was only to keep the member alive, or it is not ours."""
        for partition, records in fetched.items():
            self._client.fetch_again(partition, records[0].offset)
        return {}

    def _feed(self, fetched: Mapping[TopicPartition, Sequence[Any]], bytes_left: int) -> None:
        now = self._clock.monotonic()
        self._fed = tuple(fetched)
        self._is_ahead = self._is_ahead and not fetched
        if fetched or not self._scheduler.ask(lambda scheduler: scheduler.backpressure.is_idle):
            self._last_activity = now
        fetched = self._ours(fetched)
        deferred = self._commit_starts({partition: records[0].offset for partition, records in fetched.items()})
        self._refetch_later({partition: records for partition, records in fetched.items() if partition in deferred})
        if taken := {partition: records for partition, records in fetched.items() if partition not in deferred}:
            self._intake.accept(taken, bytes_left, now)

    def _ours(self, fetched: Mapping[TopicPartition, Sequence[Any]]) -> Mapping[TopicPartition, Sequence[Any]]:
        """Leave out records that cannot be taken yet; those of an assignment not begun come again after its begin."""
        foreign = self._scheduler.ask(lambda scheduler: scheduler.foreign(fetched)) if fetched else []
        self._refetch_later({partition: fetched[partition] for partition in foreign})
        left_out = self._rebalance.unsettled.union(foreign)
        return {partition: records for partition, records in fetched.items() if partition not in left_out}

    def _commit_starts(self, positions: Mapping[TopicPartition, int]) -> Collection[TopicPartition]:
        """Commit where an assignment begins before anything of it is handled; return those that could not be committed.

        Without a committed offset, a crash or a rebalance before the first commit would send the next start to the end
        of the log (``auto_offset_reset="latest"``, the default) and lose the records that were taken, or written
        meanwhile. With "earliest" it would see it again.

        :param positions: the offsets of the records that come next: of those about to be fed, or of partitions without
            a record, as soon as the client knows where it is.
        """
        starts = self._positions.learn(positions) if positions else None
        if starts is None or not starts.offsets:
            return ()
        is_stored = self._send_starts(starts)
        return () if is_stored else starts.offsets.keys()

    def _send_starts(self, starts: CommitSnapshot[TopicPartition]) -> bool:
        """Commit *starts*; tell whether it is decided. An answer that takes longer than a poll comes later."""
        self._answered(self._committer.wait(LONGEST_POLL))
        if self._committer.is_on_its_way:
            self._is_commit_asked = True
            return False
        if not self._is_due(begins=True):
            return False
        answer = self._committer.send_snapshot(starts, COMMIT_TIMEOUT) or self._committer.wait(LONGEST_POLL)
        self._answered(answer)
        return answer in {CommitResult.DONE, CommitResult.LOST}

    def _refetch_later(self, fetched: Mapping[TopicPartition, Sequence[Any]]) -> None:
        """Fetch *fetched* again, a little later: a rebalance may have to go on before it can be taken."""
        if fetched:
            self._refetch(fetched)
            self._scheduler.wait_until(lambda _: False, LONGEST_POLL)

    # The way out

    def drain_and_commit(self) -> tuple[int, int]:  # see docs/decisions/0006-fill-holes-before-leaving.md
        """Drain, commit, end all assignments; return how many records still run, and how many more were not begun.

        :raises CommitFailed: if the coordinator refuses the last commit for good.
        """
        deadline = self._clock.monotonic() + self._shutdown.begin_leaving()
        self._positions.report()
        reports.will_repeat(self._scheduler.drain(None, deadline), "stop", self._client.group_id)
        self._client.pause(self._client.assignment())
        self._told_at = self._clock.monotonic()
        waits, is_abandoned = partial(self._stay, deadline), lambda: self._shutdown.is_abandoned
        wait_drained(self._scheduler, self._clock, None, deadline, KEEP_ALIVE, is_abandoned, waits)
        if self._shutdown.is_abandoned:
            reports.abandoning(self._stuck_handlers.at_work())
        try:
            self._commit_last()
            self._rebalance.raise_failure()
        finally:
            ended = self._scheduler.end_assignments(self._scheduler.ask(lambda scheduler: scheduler.assigned))
        return sum(how.running for how in ended.values()), sum(how.unbegun for how in ended.values())

    def _stay(self, deadline: float) -> None:
        """Look after the running records, and name the awaited ones now and then."""
        self._stuck_handlers.check()
        now = self._clock.monotonic()
        if now - self._told_at >= REPORT_AFTER:
            self._told_at = now
            reports.still_stopping(self._stuck_handlers.at_work(), deadline - now)
        self._keep_alive()

    def _keep_alive(self, timeout: float = 0.0) -> None:
        """Stay in the group while work is finished; a partition that comes meanwhile is paused before it is fetched.

        :param timeout: how long the client may take part in a rebalance; a step that takes longer waits for the next.
        """
        if not self._may_poll:
            self._scheduler.wait_until(lambda _: False, timeout)
            return
        try:
            self._client.pause(self._client.assignment())
            self._positions.distrust()
            self._refetch(self._client.poll(timeout, 1))
            self._positions.trust_as_before()
            self.polled_at = self._clock.monotonic()
        except MemberFenced:
            self._may_poll = False
            self._lose_all()
            raise
        except Exception as error:  # noqa: BLE001 - on the way out: the last commit decides
            self._may_poll = is_retriable(error)  # after an error for good the client may never return
            self._positions.go_back()
            log.warning("poll() failed while the last records were finished: %r", error)
            self._scheduler.wait_until(lambda _: False, timeout)

    def _commit_last(self) -> None:
        """Commit, again if it may help: for a moment if work was abandoned or nothing is new, for ten seconds else.

        While members come and go all the time, cooperative rebalances leave only moments in which a commit is accepted.
        So the client gets time to go through the rebalance, and the commit follows at once.
        """
        self._positions.report()  # also of partitions that came while the last records were finished
        is_needed = bool(self._scheduler.snapshot().offsets)  # else it would only renew what is committed
        patience = COMMIT_TIMEOUT if is_needed and not self._shutdown.is_abandoned else 1.0
        deadline = self._clock.monotonic() + patience
        time_left = partial(time_of_attempt, self._clock, deadline, patience)
        while (answer := self._committer.commit("stop", time_left())) is not CommitResult.DONE:
            if answer is CommitResult.LOST:
                self._rebalance.lost(self._committer.lost)  # later ones may still be ours
                continue
            if self._clock.monotonic() >= deadline:
                reports.last_commit_failed(self._scheduler.snapshot().advances)
                return
            # A plugin that fails is no matter of moments, and gets more and more time.
            wait = LONGEST_POLL * 2 ** min(self._committer.plugin_failures, 6)
            self._keep_alive(max(0.0, min(wait, deadline - self._clock.monotonic())))
            self._positions.report()
