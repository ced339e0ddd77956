"""Questions about the group's commits, asked while the client waits for the answer to a rebalance.

The coordinator may be busy with the same rebalance, so a question that may be asked again is asked again. All questions
of one kind in a rebalance share one deadline: the callback keeps the client from all else until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

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
ANSWER_TIMEOUT = 5.0
RETRY_AFTER = 0.1


class UnknownCommitError(Exception):
    """The coordinator did not say what is committed; its cause says why, if it has one."""


class CommittedOffsets:
    """Asks the group coordinator; used where rebalances are answered."""

    def __init__(self, client: Client, scheduler: LockedScheduler[TopicPartition], clock: Clock) -> None:
        self._client = client
        self._scheduler = scheduler
        self._clock = clock

    def deadline(self) -> float:
        """The time by which the questions that begin now have to be answered."""
        return self._clock.monotonic() + ANSWER_TIMEOUT

    def of(self, partition: TopicPartition, deadline: float, **metadata: bool) -> Any:
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

    def with_metadata(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, OffsetAndMetadata]:
        """Return the commits of those *partitions* that have one; say once if some cannot be had."""
        found: dict[TopicPartition, OffsetAndMetadata] = {}
        unknown: dict[TopicPartition, UnknownCommitError] = {}
        deadline = self.deadline()
        for partition in sorted(partitions):
            try:
                if (commit := self.of(partition, deadline, metadata=True)) is not None:
                    found[partition] = commit
            except UnknownCommitError as error:
                unknown[partition] = error
        if unknown:
            cause = next(iter(unknown.values())).__cause__
            log.warning("the commits of %s are not known (%r): records that they tell to be finished above the "
                        "committed offset will be processed again", named(unknown), cause)  # fmt: skip
        return found
