"""How finished offsets reach the group coordinator, and the consequence of its answer.

One commit is one snapshot: exactly the offsets that were sent are marked as committed, and only after the broker's
answer. A failure is of one of three kinds: *retry* (the offsets stay due and are sent again with newer ones), *lost*
(the member was removed or is out of date: the partitions are another member's) and *refused* (authorisation, invalid
request: run() stops).

A commit at the interval does not stop the loop: `send` enters the wrappers of ``on_commit`` and hands the offsets to
the client, and a later round takes the answer in and resumes the wrappers (`take_answer`). One is on its way at a time.
An answer that does not come in time counts as a failure; the commit is forgotten, and a later answer is ignored. A
commit before partitions leave, or at the stop, waits for its answer, after the one on its way has had its own: wrappers
never see two at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import partial
from itertools import starmap
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from kafka.errors import KafkaError, KafkaTimeoutError, OffsetMetadataTooLargeError

from kafka_parallel._logs import area_logger
from kafka_parallel._runtime.client.client_errors import is_lost, is_retriable
from kafka_parallel._runtime.client.takeover import metadata_of
from kafka_parallel._showing import described
from kafka_parallel.errors import CommitFailed, MemberFenced, PluginError
from kafka_parallel.values import CommitContext

if TYPE_CHECKING:
    from kafka import TopicPartition

    from kafka_parallel._core.assignment import Assignment
    from kafka_parallel._core.scheduler import CommitSnapshot
    from kafka_parallel._plugins.chains import Steps
    from kafka_parallel._plugins.hooks import Hooks
    from kafka_parallel._runtime.client.consumer_adapter import Client
    from kafka_parallel._runtime.clock import Clock
    from kafka_parallel._runtime.loop.locked_scheduler import LockedScheduler

log = area_logger("commits")

CommitReason: TypeAlias = Literal["interval", "revoke", "stop"]

# The interval between looks for the answer of a commit on its way, in seconds, before one that waits is sent.
SETTLE_SLICE = 0.005
# The same beside the loop's work, as a share of the time that it has been on its way, and at least so many seconds.
LOOK_SHARE, SHORTEST_LOOK = 0.25, 0.001

# Errors of a commit for which a plugin is to blame, so it is tried again: the metadata is always written by a plugin.
OF_A_PLUGIN = (PluginError, OffsetMetadataTooLargeError)


class CommitResult(Enum):
    """The end of a commit."""

    DONE = "done"
    RETRY = "retry"
    LOST = "lost"


class Commit:
    """One commit, from its snapshot to its answer.

    :param snapshot: its offsets.
    :param held: all assignments at that moment: a member that is removed has lost these, and none of later ones.
    :param sent_at: when it was made, in seconds of the monotonic clock.
    :ivar around: the wrappers, between entering and leaving; ``None`` without any.
    :ivar answers: the error of each answer that has come, or ``None``. The first counts.
    """

    def __init__(
        self,
        snapshot: CommitSnapshot[TopicPartition],
        held: Mapping[TopicPartition, Assignment],
        context: CommitContext,
        sent_at: float,
    ) -> None:
        self.snapshot = snapshot
        self.held = held
        self.context = context
        self.offsets = metadata_of(snapshot.offsets)
        self.finished_above = {p: tuple(starmap(range, found)) for p, found in snapshot.finished_above.items()}
        self.sent_at = sent_at
        self.due = sent_at + context.timeout_ms / 1000
        self.around: Steps | None = None
        self.answers: list[BaseException | None] = []

    def answered(self, error: BaseException | None = None) -> None:
        """Note the broker's answer; called on any thread, and by two at once: so all it does is one append."""
        self.answers.append(error)

    @property
    def is_answered(self) -> bool:
        """True once the broker has answered, or the client has given up."""
        return bool(self.answers)

    def enter(self, surround: Callable[..., Steps] | None) -> bool:
        """Enter the wrappers; tell whether the commit is to be sent. If not, a plugin has answered.

        :raises Exception: the error of one of them.
        """
        if surround is None:
            return True
        self.around = surround(self.offsets, self.context, self.finished_above)
        return self.around.enter()

    def require_unchanged(self) -> None:
        """Refuse offsets that a wrapper has changed.

        :raises PluginError: it has.
        """
        expected = {partition: offset for partition, (offset, _) in self.snapshot.offsets.items()}
        if {partition: chosen.offset for partition, chosen in self.offsets.items()} != expected:
            raise PluginError(
                f"a plugin changed the offsets of a commit from {expected} to {self.offsets} in on_commit"
            )

    def leave(self, error: BaseException | None) -> Exception | None:
        """Resume the wrappers with the answer; return the error of one of them."""
        try:
            if self.around is not None:
                self.around.leave(None, error)
        except Exception as raised:  # noqa: BLE001 - a plugin's, or the error that it let through
            return raised
        return None


# see docs/decisions/0048-commits-do-not-stop-the-loop.md
class Committer:
    """Commits snapshots through the hooks. All methods are called by the thread of the loop, or while it is in poll().

    :param client: the consumer.
    :param scheduler: told of confirmed offsets.
    :param hooks: those of ``on_commit`` count here.
    :ivar lost: the partitions of the latest answer `CommitResult.LOST`.
    :ivar plugin_failures: how many of the latest commits failed in a plugin, one after the other.
    """

    def __init__(self, client: Client, scheduler: LockedScheduler[TopicPartition], clock: Clock, hooks: Hooks) -> None:
        self._client = client
        self._scheduler = scheduler
        self._clock = clock
        self._surround = hooks.around_commit(self._stored_by_plugin)
        self._is_stored = False
        self._on_its_way: Commit | None = None
        self.lost: frozenset[TopicPartition] = frozenset()
        self.commits = 0
        self.failures = 0
        self.plugin_failures = 0
        self._told: type[BaseException] | None = None

    # Beside the loop's work

    @property
    def is_on_its_way(self) -> bool:
        """True while a commit was sent whose answer was not taken in yet."""
        return self._on_its_way is not None

    @property
    def sent_at(self) -> float | None:
        """When the commit on its way was sent, in seconds of the monotonic clock; ``None`` without one."""
        commit = self._on_its_way
        return None if commit is None else commit.sent_at

    def look_within(self, now: float) -> float:
        """The seconds until the next look for the answer: few after it was sent, more when it takes long."""
        commit = self._on_its_way
        return float("inf") if commit is None else max(SHORTEST_LOOK, (now - commit.sent_at) * LOOK_SHARE)

    def send(self, timeout: float) -> CommitResult | None:
        """Send the finished offsets; ``None`` if their answer is to come within *timeout* seconds.

        Only for when no commit is on its way.

        :raises CommitFailed: if the coordinator refuses for good.
        """
        if self._client.group_id is None:
            return CommitResult.DONE
        return self.send_snapshot(self._scheduler.snapshot(renews=True), timeout)

    def send_snapshot(self, snapshot: CommitSnapshot[TopicPartition], timeout: float) -> CommitResult | None:
        """Send *snapshot*; the same holds."""
        if not snapshot.offsets:
            return CommitResult.DONE
        commit = self._entered(snapshot, "interval", timeout)
        if not isinstance(commit, Commit):
            return commit
        self._on_its_way = commit
        try:
            commit.require_unchanged()
            self._client.commit_async(commit.offsets, commit.answered)
        except Exception as error:  # noqa: BLE001 - an answer like any other
            commit.answered(error)
        except BaseException as error:
            commit.answered(KafkaTimeoutError(f"{type(error).__name__} was raised while it was sent"))
            raise
        return None

    def take_answer(self) -> CommitResult | None:
        """Take in the answer to the commit on its way; ``None`` if there is neither an answer nor such a commit.

        :raises CommitFailed: if the coordinator refuses for good.
        """
        commit = self._on_its_way
        if commit is None or not (commit.is_answered or self._clock.monotonic() >= commit.due):
            return None
        self._on_its_way = None
        if commit.answers:
            return self._ended(commit, commit.answers[0])
        return self._ended(commit, KafkaTimeoutError(f"no answer within {commit.context.timeout_ms:.0f} ms"))

    # Waiting for the answer

    def wait(self, longest: float) -> CommitResult | None:
        """Do as `take_answer`, after waiting *longest* seconds at most for the answer to the commit on its way."""
        commit = self._on_its_way
        if commit is None:
            return None
        end = min(commit.due, self._clock.monotonic() + longest)
        while not commit.is_answered and (left := end - self._clock.monotonic()) > 0:
            self._client.take_answers_in()
            self._scheduler.wait_until(lambda _: commit.is_answered, min(SETTLE_SLICE, left))
        return self.take_answer()

    def commit(
        self, reason: CommitReason, timeout: float, partitions: Iterable[TopicPartition] | None = None
    ) -> CommitResult:
        """Commit the finished offsets of *partitions* (all without it), waiting *timeout* seconds at most for the
        answer.

        :raises CommitFailed: if the coordinator refuses for good.
        :raises MemberFenced: another member took this one's place.
        """
        if self._client.group_id is None:
            return CommitResult.DONE
        end = self._clock.monotonic() + timeout
        if self._await_earlier(timeout / 2) is CommitResult.LOST:
            return CommitResult.LOST
        snapshot = self._scheduler.snapshot(partitions, renews=reason != "revoke")
        return self._commit(snapshot, reason, max(0.0, end - self._clock.monotonic()))

    def _commit(self, snapshot: CommitSnapshot[TopicPartition], reason: CommitReason, timeout: float) -> CommitResult:
        if not snapshot.offsets:
            return CommitResult.DONE
        commit = self._entered(snapshot, reason, timeout)
        if not isinstance(commit, Commit):
            return commit
        try:
            commit.require_unchanged()
            self._client.commit(commit.offsets, timeout)
        except Exception as error:  # noqa: BLE001 - an answer like any other
            return self._ended(commit, error)
        except BaseException as error:
            commit.leave(error)
            raise
        return self._ended(commit, None)

    def _await_earlier(self, timeout: float) -> CommitResult | None:
        """Take in the answer to the commit on its way; without one after *timeout* seconds it has failed."""
        commit = self._on_its_way
        if commit is None:
            return None
        commit.due = min(commit.due, self._clock.monotonic() + timeout)
        return self.wait(timeout)

    # Common to all

    def _entered(
        self, snapshot: CommitSnapshot[TopicPartition], reason: CommitReason, timeout: float
    ) -> Commit | CommitResult:
        held = self._scheduler.ask(lambda scheduler: scheduler.live_assignments)
        context = CommitContext(reason, timeout * 1000, self._group_metadata(is_leaving=reason == "revoke"))
        commit = Commit(snapshot, held, context, self._clock.monotonic())
        self._is_stored = False
        try:
            if commit.enter(self._surround):
                return commit
        except CommitFailed:  # a plugin that commits by itself was refused for good
            raise
        except Exception as error:  # noqa: BLE001 - a plugin's: nothing was sent
            return self._failed(commit, error) if self._is_answer(error) else self._plugin_failed(error)
        if not self._is_stored:
            return self._plugin_failed(PluginError("a wrapper of on_commit swallowed the error of another plugin"))
        return self._done(commit)

    def _is_answer(self, error: Exception) -> bool:
        """Tell whether the *error* of a plugin that commits by itself is one of the client that says how to go on."""
        return is_retriable(error) or (is_lost(error) and self._client.has_group_assignment)

    def _group_metadata(self, *, is_leaving: bool) -> Callable[[], Any] | None:
        """The question for the membership that a commit is made under; ``None`` if the client has no answer."""
        membership = self._client.membership
        if membership is None or not membership.has_metadata:
            return None
        return partial(membership.metadata, is_leaving=is_leaving)

    def _stored_by_plugin(self) -> None:
        """Note that a plugin has answered, which keeps the offsets itself."""
        self._is_stored = True

    # see docs/decisions/0005-commit-one-snapshot.md
    def _done(self, commit: Commit) -> CommitResult:
        self._scheduler.confirm_commit(commit.snapshot)
        self.commits += 1
        self.plugin_failures, self._told = 0, None
        return CommitResult.DONE

    def _ended(self, commit: Commit, error: BaseException | None) -> CommitResult:
        """Resume the wrappers, then follow the broker's *error*, whatever they made of it."""
        raised = commit.leave(error)
        if error is not None and raised is not None and raised is not error:
            log.error("a plugin failed in on_commit, and the commit had failed before (%r)", error, exc_info=raised)
        if isinstance(error, OF_A_PLUGIN) or (error is None and raised is not None):
            return self._plugin_failed(error or raised)
        if error is not None:
            return self._failed(commit, error)
        return self._done(commit)

    def _plugin_failed(self, error: BaseException | None) -> CommitResult:
        self.failures += 1
        self.plugin_failures += 1
        if type(error) is self._told:
            log.error("a plugin failed in on_commit, %d times now (%s); nothing was committed, the offsets stay due",
                      self.plugin_failures, "" if error is None else described(error))  # fmt: skip
        else:
            log.error("a plugin failed in on_commit; nothing was committed, the offsets stay due", exc_info=error)
        self._told = None if error is None else type(error)
        return CommitResult.RETRY

    def _failed(self, commit: Commit, error: BaseException) -> CommitResult:
        self.failures += 1
        self.plugin_failures = 0
        if isinstance(error, MemberFenced):
            raise error
        if is_lost(error) and self._client.has_group_assignment:
            self.lost = frozenset(partition for partition, held in commit.held.items() if held.is_ours)
            log.warning("commit refused, the partitions are not ours any more: their records will be processed again "
                        "by their new owner (%s)", error)  # fmt: skip
            return CommitResult.LOST
        if is_retriable(error):
            log.warning("commit failed and will be tried again with newer offsets (%r)", error)
            return CommitResult.RETRY
        hint = ": its members subscribe; a consumer with assign() needs another group_id" * is_lost(error)
        offsets = dict(sorted(commit.snapshot.offsets.items()))
        if not isinstance(error, KafkaError):
            raise CommitFailed(
                f"the consumer's commit method failed for {offsets} with {error!r}, which is no answer of the group "
                "coordinator; these records will be processed again"
            ) from error
        raise CommitFailed(
            f"the group coordinator refused to commit {offsets}: {error}{hint}; these records will be processed again"
        ) from error
