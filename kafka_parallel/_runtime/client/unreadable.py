"""Catches a record that the client itself cannot read: a header name that is not UTF-8, a wrong checksum, or a codec
that is not installed.

kafka-python raises from ``poll()``, whatever it has of other partitions, and its next poll() never returns: the batch
it was reading is dead, and not dropped. So the error is caught where the batch is read, and the rest of this fetch is
dropped: the position stays at the record, and ``poll()`` goes on with other partitions. The caller decides about the
error; `StandingPartitions` notes it if only the record's partition shall stand still.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from kafka_parallel._logs import area_logger
from kafka_parallel._runtime.client import fetcher_patch
from kafka_parallel.logs import RecordInfo

if TYPE_CHECKING:
    from kafka import TopicPartition
    from kafka.consumer.fetcher import ConsumerRecord

    from kafka_parallel._runtime.client.pauses import Pauses

log = area_logger("poll")


class Unreadable(NamedTuple):
    """The place of an unreadable record, and its error; *offset* is the record's, or that of the first of its batch."""

    partition: TopicPartition
    offset: int
    error: Exception


class CaughtRecords(fetcher_patch.StandIn):
    """The base class before the client's ``PartitionRecords`` in a class made of both.

    :ivar note: gets the unreadable record.
    """

    catches_errors = True
    note: Callable[[Unreadable], None]

    def take(self: Any, n: int | None = None) -> list[ConsumerRecord]:
        """Do as the client does, but for an error: note it, and drop the rest of this fetch."""
        try:
            records: list[ConsumerRecord] = super().take(n)  # type: ignore[misc]
        except Exception as error:  # noqa: BLE001 - noted, and judged by the thread that polls
            self.note(Unreadable(self.topic_partition, self.next_fetch_offset, error))
            self.drain()
            return []
        return records


# see docs/decisions/0061-unreadable-record.md
class Reading:
    """Collects the unreadable records of one consumer; used by the thread that polls."""

    def __init__(self) -> None:
        self._found: list[Unreadable] = []

    def put(self, fetcher: Any) -> str:
        """Let *fetcher* go on where it cannot read, until it is taken back; or leave it as it is and return why."""
        return fetcher_patch.put(fetcher, CaughtRecords, note=staticmethod(self._found.append))

    def taken_out(self) -> list[Unreadable]:
        """Return the findings since the last call."""
        found = self._found.copy()
        self._found.clear()
        return found


class StandingPartitions:
    """The partitions of one consumer that stand still, each at a record that cannot be read.

    :param group: the consumer group, for log lines.
    """

    def __init__(self, group: str | None) -> None:
        self._group = group
        self._found: dict[TopicPartition, Unreadable] = {}

    def stand(self, found: Unreadable, pauses: Pauses) -> None:
        """Let the partition of *found* stand still; log each record once."""
        partition, offset, error = found
        pauses.stand(partition)
        if (before := self._found.get(partition)) is not None and before.offset == offset:
            return
        self._found[partition] = found
        log.error("%s[%d]@%d cannot be read by kafka-python: the partition stands still there, others go on; nothing "
                  "at or above it is committed", partition.topic, partition.partition, offset,
                  exc_info=error,
                  extra=RecordInfo(partition.topic, partition.partition, offset, self._group).fields())  # fmt: skip

    def standing(self, pauses: Pauses) -> dict[TopicPartition, Unreadable]:
        """The partitions that still do; from any thread."""
        return {where: found for where, found in list(self._found.items()) if pauses.stands(where)}
