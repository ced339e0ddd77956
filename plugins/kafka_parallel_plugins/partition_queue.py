"""Order per partition: each partition is one queue, and its records run one at a time in offset order."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from kafka_parallel import Settings, hookimpl

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord

__all__ = ["PartitionQueue"]

WHOLE_PARTITION = "partition"


class PartitionQueue:
    """Provides the ordering ``"partition"``.

    Ordering keys count within a partition, so one key for all records makes the partition a queue. The queue begins
    when the partition is assigned and ends when it is revoked, as every ordering lane does.
    """

    @hookimpl
    def provide_ordering(self, settings: Settings) -> Callable[[ConsumerRecord], Hashable]:  # noqa: ARG002 - the hook's
        """Provide a function that gives all records of a partition the same ordering key."""
        return lambda record: WHOLE_PARTITION  # noqa: ARG005 - the hook's signature
