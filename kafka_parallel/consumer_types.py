"""The types of the objects that a `ParallelConsumer` is given: its consumer, its handlers, its ordering.

They describe shapes, for kafka-python has no types of its own: a checker that reads its source knows its
``KafkaConsumer`` and its ``ConsumerRecord``, and one that does not takes both for ``Any``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord

__all__ = ["AsyncBatchHandler", "AsyncHandler", "BatchHandler", "Consumer", "Handler", "Ordering", "OrderingFunction"]

Handler: TypeAlias = "Callable[[ConsumerRecord], object]"
"""A handler of single records, plain or ``async def``; its result is dropped."""
BatchHandler: TypeAlias = "Callable[[list[ConsumerRecord]], object]"
"""A handler of lists of records, plain or ``async def``; its result is dropped."""
AsyncHandler: TypeAlias = "Callable[[ConsumerRecord], Awaitable[object]]"
"""An ``async def`` handler of single records."""
AsyncBatchHandler: TypeAlias = "Callable[[list[ConsumerRecord]], Awaitable[object]]"
"""An ``async def`` handler of lists of records."""

OrderingFunction: TypeAlias = "Callable[[ConsumerRecord], Hashable | None]"
"""From a record to its ordering key; ``None`` = this record needs no order."""
Ordering: TypeAlias = 'Literal["key", "partition", "unordered"] | OrderingFunction'
"""The order in which records run. The name of any other plugin that provides one goes into ``plugins=``."""


class Consumer(Protocol):
    """The methods of a ``KafkaConsumer`` that a run calls, with the arguments that it gives.

    A ``KafkaConsumer`` of kafka-python 2.x and 3.x has them, as have its subclasses and the `FakeConsumer`. At the
    start the class is looked at too: an object that merely looks like a consumer is refused then.

    :ivar config: the consumer's configuration.
    """

    config: Any

    def poll(self, *, timeout_ms: Any, max_records: Any) -> Any:
        """Fetch *max_records* at most; wait *timeout_ms* milliseconds at most for the first."""

    def commit(self, offsets: Any, /, *, timeout_ms: Any) -> Any:
        """Commit *offsets*, and wait *timeout_ms* milliseconds at most for the answer."""

    def commit_async(self, offsets: Any, callback: Any, /) -> Any:
        """Commit *offsets*; *callback* gets the answer."""

    def close(self, *, autocommit: Any, timeout_ms: Any) -> Any:
        """Leave the group within *timeout_ms* milliseconds; *autocommit* is false, for the run has committed."""

    def assignment(self) -> Any:
        """The partitions that are assigned."""

    def subscription(self) -> Any:
        """The topics that are subscribed to."""

    def pause(self, partition: Any, /) -> Any:
        """Fetch nothing of *partition*."""

    def resume(self, partition: Any, /) -> Any:
        """Fetch *partition* again."""

    def seek(self, partition: Any, offset: Any, /) -> Any:
        """Go on at *offset* of *partition*."""

    def seek_to_beginning(self, partition: Any, /) -> Any:
        """Go on at the first record there is of *partition*."""

    def committed(self, partition: Any, /, *, timeout_ms: Any) -> Any:
        """The group's commit for *partition*; wait *timeout_ms* milliseconds at most."""
