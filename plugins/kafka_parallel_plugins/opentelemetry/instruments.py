"""The metrics of the conventions: how long handlers and commits take, and how many records were consumed.

Instruments belong to a meter provider and not to a consumer: two consumers of one process use the same, each with its
own attributes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from opentelemetry.metrics import Meter

from kafka_parallel_plugins.opentelemetry import conventions as names

if TYPE_CHECKING:
    from kafka import TopicPartition
    from kafka.consumer.fetcher import ConsumerRecord

    from kafka_parallel import Handled

Durations: TypeAlias = Literal["attempts", "calls", "none"]
"""The durations that are read off attempts: of each; of each call with many records, which then began together; or
none, because calls are measured by themselves."""

# Each value of ``error.type`` is a series of its own: these many, and one for all others.
MOST_ERROR_TYPES = 50


class Instruments:
    """The instruments of one meter."""

    def __init__(self, meter: Meter) -> None:
        buckets = names.DURATION_BUCKETS
        self.process = meter.create_histogram(
            names.PROCESS_DURATION, "s", "Duration of processing operation.",
            explicit_bucket_boundaries_advisory=buckets,
        )  # fmt: skip
        self.operation = meter.create_histogram(
            names.OPERATION_DURATION, "s", "Duration of messaging operation initiated by a client.",
            explicit_bucket_boundaries_advisory=buckets,
        )  # fmt: skip
        self.consumed = meter.create_counter(
            names.CONSUMED_MESSAGES, "{message}", "Number of messages that were delivered to the application."
        )


class Measurements:
    """The measurements of one consumer. Any thread may call every method.

    :param client: the attributes that tell which consumer this is.
    :param partitions: whether measurements of records tell the partition.
    """

    def __init__(self, instruments: Instruments, client: Mapping[str, str], *, partitions: bool) -> None:
        self._instruments = instruments
        self._partitions = partitions
        self._client = dict(client)
        self._error_types: set[str] = set()
        self._known: dict[tuple[str, str, int, str | None], dict[str, str]] = {}

    def note_handled(self, handled: Sequence[Handled], durations: Durations = "attempts") -> None:
        """Count first attempts as consumed, and record *durations*."""
        firsts: dict[tuple[str, int], int] = {}
        since = None
        for record, attempt, _, started, ended, error in handled:
            if attempt == 1:
                place = record.topic, record.partition if self._partitions else 0
                firsts[place] = firsts.get(place, 0) + 1
            if durations == "attempts" or (durations == "calls" and started != since):
                attributes = self._attributes(names.PROCESS, record.topic, record.partition, error)
                self._instruments.process.record(ended - started, attributes)
            since = started
        for (topic, partition), count in firsts.items():
            self._instruments.consumed.add(count, self._attributes(names.POLL, topic, partition))

    def note_unreadable(self, raw: ConsumerRecord) -> None:
        """Count a record as consumed that never got as far as its handler."""
        self._instruments.consumed.add(1, self._attributes(names.POLL, raw.topic, raw.partition))

    def note_batch(self, raws: Sequence[ConsumerRecord], seconds: float, error: BaseException | None) -> None:
        """Record how long one call with a batch took."""
        topics = {raw.topic for raw in raws}
        partitions = {raw.partition for raw in raws}
        topic = topics.pop() if len(topics) == 1 else ""
        partition = partitions.pop() if topic and len(partitions) == 1 else -1
        self._instruments.process.record(seconds, self._attributes(names.PROCESS, topic, partition, error))

    def note_commit(self, partitions: Collection[TopicPartition], seconds: float, error: BaseException | None) -> None:
        """Record how long a commit took."""
        topics = {partition.topic for partition in partitions}
        topic = topics.pop() if len(topics) == 1 else ""
        self._instruments.operation.record(seconds, self._attributes(names.COMMIT, topic, -1, error))

    def _attributes(
        self, operation: str, topic: str, partition: int, error: BaseException | None = None
    ) -> dict[str, str]:
        """The attributes of a measurement; the topic or the partition is left out if there is not exactly one."""
        kind = None if error is None else self._error_type(error)
        key = operation, topic, partition if self._partitions else -1, kind
        attributes = self._known.get(key)
        if attributes is None:
            attributes = self._known[key] = self._made(*key)
        return attributes

    def _made(self, operation: str, topic: str, partition: int, kind: str | None) -> dict[str, str]:
        attributes = {**self._client, names.OPERATION_NAME: operation}
        attributes.pop(names.CLIENT, None)  # a series for each start of a process would be too many
        if operation == names.COMMIT:
            attributes[names.OPERATION_TYPE] = names.SETTLE
        if topic:
            attributes[names.DESTINATION] = topic
        if partition >= 0:
            attributes[names.PARTITION] = str(partition)
        if kind is not None:
            attributes[names.ERROR_TYPE] = kind
        return attributes

    def _error_type(self, error: BaseException) -> str:
        kind = names.error_type(error)
        if kind not in self._error_types:
            if len(self._error_types) >= MOST_ERROR_TYPES:
                return names.OTHER_ERROR
            self._error_types.add(kind)
        return kind
