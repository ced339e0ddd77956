"""Questions about the group's commits, asked while the client waits for the answer to a rebalance.

One question is asked for all partitions of an assignment. If it has no answer in time, or a refusal for one of them,
each is asked for alone: one that cannot be had keeps no other from being known. The coordinator may be busy with the
same rebalance, so such a question is asked again if that may help. All questions of one kind in a rebalance share one
deadline: the callback keeps the client from all else until then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from kafka_parallel._logs import area_logger
from kafka_parallel._runtime.client.client_errors import is_retriable
from kafka_parallel._runtime.loop.sentences import named

if TYPE_CHECKING:
    from kafka import OffsetAndMetadata, TopicPartition

    from kafka_parallel._runtime.client.consumer_adapter import Client
    from kafka_parallel._runtime.clock import Clock
    from kafka_parallel._runtime.loop.locked_scheduler import LockedScheduler

log = area_logger("rebalance")

# The time that all questions of one kind in a rebalance may take, in seconds, and the wait before one is asked again.
# The one for all partitions gets half of it: a commit that waits for a transaction lets it wait.
COMMITS_TIMEOUT = 5.0
RETRY_AFTER = 0.1


class UnknownCommitError(Exception):
    """The coordinator did not say what is committed; its cause says why, if it has one."""


class CommitAnswers(NamedTuple):
    """The answers to the questions of one kind.

    :ivar found: the commits there are.
    :ivar unknown: partitions of which it is not known whether there is one.
    """

    found: dict[TopicPartition, Any]
    unknown: dict[TopicPartition, UnknownCommitError]


# see docs/decisions/0104-one-question-for-all-commits.md
class CommittedOffsets:
    """Asks the group coordinator; used where rebalances are answered."""

    def __init__(self, client: Client, scheduler: LockedScheduler[TopicPartition], clock: Clock) -> None:
        self._client = client
        self._scheduler = scheduler
        self._clock = clock

    def offsets(self, partitions: Collection[TopicPartition]) -> CommitAnswers:
        """Ask for the committed offsets of *partitions*."""
        deadline = self._clock.monotonic() + COMMITS_TIMEOUT
        known = self.together(partitions, COMMITS_TIMEOUT / 2)
        return self._one_by_one(partitions, deadline) if known is None else CommitAnswers(known, {})

    def together(self, partitions: Collection[TopicPartition], timeout: float) -> dict[TopicPartition, int] | None:
        """Return the committed offsets of those of *partitions* that have one, or ``None``: then ask for each alone."""
        commits = self._client.joint_commits.of(partitions, timeout) if partitions else {}
        return None if commits is None else {partition: commit.offset for partition, commit in commits.items()}

    def with_metadata(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, OffsetAndMetadata]:
        """Return the commits of those *partitions* that have one; say once if some cannot be had."""
        deadline = self._clock.monotonic() + COMMITS_TIMEOUT
        if (commits := self._client.joint_commits.of(partitions, COMMITS_TIMEOUT / 2)) is not None:
            return commits
        found, unknown = self._one_by_one(partitions, deadline, metadata=True)
        if unknown:
            cause = next(iter(unknown.values())).__cause__
            log.warning("the commits of %s are not known (%r): records that they tell to be finished above the "
                        "committed offset will be processed again", named(unknown), cause)  # fmt: skip
        return found

    def _one_by_one(self, partitions: Iterable[TopicPartition], deadline: float, **metadata: bool) -> CommitAnswers:
        answers = CommitAnswers({}, {})
        for partition in sorted(partitions):
            try:
                commit = self._of(partition, deadline, **metadata)
            except UnknownCommitError as error:
                answers.unknown[partition] = error
            else:
                if commit is not None:
                    answers.found[partition] = commit
        return answers

    def _of(self, partition: TopicPartition, deadline: float, **metadata: bool) -> Any:
        """Return the group's committed offset of *partition*, or offset and *metadata*; ``None`` without one.

        :raises UnknownCommitError: there was no answer before the *deadline*, or none can be had.
        """
        last: Exception | None = None
        while (left := deadline - self._clock.monotonic()) > 0:
            try:
                return self._client.committed(partition, left, **metadata)
            except Exception as error:  # noqa: BLE001 - whatever it is, the rebalance goes on
                last = error
                if not is_retriable(error):
                    break
                self._scheduler.wait_until(lambda _: False, min(RETRY_AFTER, left))
        raise UnknownCommitError from last
