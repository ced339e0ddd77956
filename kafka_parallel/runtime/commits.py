"""How finished offsets reach the group coordinator, and what its answer means.

One commit is one snapshot: what was sent is what is marked as committed, and only after the broker's answer. A failure
is of one of three kinds: *retry* (the offsets stay due and are sent again with newer ones), *lost* (the member was
thrown out or is out of date: the partitions are somebody else's) and *refused* (authorisation, invalid request: run()
stops).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from kafka_parallel.chains import surround
from kafka_parallel.errors import CommitFailed, MemberFenced, PluginError
from kafka_parallel.runtime.client_errors import is_lost, is_retriable
from kafka_parallel.runtime.takeover import metadata_of
from kafka_parallel.values import CommitContext

if TYPE_CHECKING:
    from kafka import OffsetAndMetadata, TopicPartition

    from kafka_parallel.core.scheduler import Snapshot
    from kafka_parallel.runtime.client import Client
    from kafka_parallel.runtime.workqueue import WorkQueue

log = logging.getLogger(__name__)

Reason: TypeAlias = Literal["interval", "revoke", "stop"]


class Answer(Enum):
    """How a commit ended."""

    DONE = "done"
    RETRY = "retry"
    LOST = "lost"


class Committer:
    """Commits snapshots through the hooks.

    :param client: the consumer.
    :param queue: told what was confirmed.
    :param hook: ``on_commit``, as pluggy has it.
    """

    def __init__(self, client: Client, queue: WorkQueue[TopicPartition], hook: Any) -> None:
        self._client = client
        self._queue = queue
        self._surrounded: Callable[[Any, CommitContext], Any] = surround(
            hook, self._innermost, ("offsets", "context"), answered=self._confirmed
        )
        self._snapshot: Snapshot[TopicPartition]
        self._errors: list[Exception] = []
        self._is_confirmed = False
        self.commits = 0
        self.failures = 0

    def commit(self, reason: Reason, timeout: float, partitions: Iterable[TopicPartition] | None = None) -> Answer:
        """Commit what is finished in *partitions* (all without it), waiting *timeout* seconds at most for the answer.

        :raises CommitFailed: if the coordinator refuses for good.
        :raises MemberFenced: another member took this one's place.
        """
        if self._client.group_id is None:
            return Answer.DONE
        return self.commit_snapshot(self._queue.snapshot(partitions, renews=reason != "revoke"), reason, timeout)

    def commit_snapshot(self, snapshot: Snapshot[TopicPartition], reason: Reason, timeout: float) -> Answer:
        """Commit *snapshot*."""
        if not snapshot.offsets:
            return Answer.DONE
        self._snapshot, self._errors, self._is_confirmed = snapshot, [], False
        try:
            self._surrounded(metadata_of(snapshot.offsets), CommitContext(reason, timeout * 1000))
        except Exception as error:  # noqa: BLE001 - a plugin's or Kafka's: either way nothing was committed
            return self._failed(error)
        if self._errors:  # a wrapper swallowed it: still no answer from the broker
            return self._failed(self._errors[0])
        if not self._is_confirmed:
            return self._failed(PluginError("a wrapper of on_commit swallowed the error of another plugin"))
        self._queue.committed(snapshot)
        self.commits += 1
        return Answer.DONE

    def _innermost(self, offsets: dict[TopicPartition, OffsetAndMetadata], context: CommitContext) -> None:
        """The consumer's own commit."""
        expected = {partition: offset for partition, (offset, _) in self._snapshot.offsets.items()}
        if {partition: chosen.offset for partition, chosen in offsets.items()} != expected:
            raise PluginError(f"a plugin changed the offsets of a commit from {expected} to {offsets} in on_commit")
        try:
            self._client.commit(offsets, context.timeout_ms / 1000)
        except Exception as error:
            self._errors.append(error)
            raise
        self._confirmed()

    def _confirmed(self) -> None:
        """Note that the broker has the offsets, or a plugin that keeps them itself."""
        self._is_confirmed = True

    def _failed(self, error: Exception) -> Answer:
        self.failures += 1
        if error not in self._errors:
            log.error("a plugin failed in on_commit; nothing was committed, the offsets stay due", exc_info=error)
            return Answer.RETRY
        if isinstance(error, MemberFenced):
            raise error
        if is_lost(error) and self._client.has_group_assignment:
            log.warning("commit refused, the partitions are not ours any more: their records will be processed again "
                        "by their new owner (%s)", error)  # fmt: skip
            return Answer.LOST
        if is_retriable(error):
            log.warning("commit failed and will be tried again with newer offsets (%r)", error)
            return Answer.RETRY
        hint = ": members of the group by subscription have it for themselves; use another group_id" * is_lost(error)
        raise CommitFailed(
            f"the group coordinator refused to commit {dict(sorted(self._snapshot.offsets.items()))}: {error}{hint}; "
            "these records will be processed again"
        ) from error
