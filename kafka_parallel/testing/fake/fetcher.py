"""Takes records from the logs to a fake consumer; stands also for ``consumer._fetcher``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any, get_args

from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from kafka_parallel._runtime.client.deserializers import deserialized_record
from kafka_parallel.testing.fake.cluster import FakeCluster
from kafka_parallel.testing.fake.log import Isolation
from kafka_parallel.testing.fake.questions import Questions
from kafka_parallel.testing.fake.subscription import Subscription, find_position

__all__ = ()

# The most records of a partition in one fetch.
MOST = 1000
# By the number that they have in the protocol.
ISOLATIONS: tuple[Isolation, ...] = get_args(Isolation)


class Parsed:
    """Records of a partition that were fetched and not handed out yet, with the deserialisers of that moment.

    :ivar topic_partition: the partition.
    :ivar next_fetch_offset: the offset up to which it was handed out.
    """

    def __init__(self, partition: TopicPartition, offset: int, records: list[Any], make: Callable[[Any], Any]) -> None:
        self.topic_partition = partition
        self.next_fetch_offset: int = offset
        self._records = records
        self._make = make

    def __bool__(self) -> bool:
        return bool(self._records)

    def take(self, count: int) -> list[Any]:
        """Hand out at most *count* records."""
        taken = [self._make(record) for record in self._records[:count]]
        del self._records[:count]
        if taken:
            self.next_fetch_offset = taken[-1].offset + 1
        return taken

    def drain(self) -> None:
        """Forget the rest."""
        self._records.clear()


class Fetcher:
    """Reads the assigned partitions that are not paused.

    :param config: the consumer's configuration, its own copy; deserialisers are looked up in it at each fetch.
    :param questions: those that are on their way.
    :ivar _next_partition_records: the records that were fetched and had no room in the last answer; they keep their
        deserialisers, and are handed out first if the position has not changed.
    """

    def __init__(
        self,
        cluster: FakeCluster,
        subscription: Subscription,
        config: dict[str, Any],
        questions: Questions,
    ) -> None:
        self.config = config
        self._cluster = cluster
        self._subscription = subscription
        self._next_partition_records: Any = None
        self._isolation_level = ISOLATIONS.index(config["isolation_level"])
        self._questions = questions
        if questions.has_io_thread:
            self._manager = questions

    def _group_list_offset_requests(
        self, timestamps: Mapping[TopicPartition, int]
    ) -> dict[int, dict[TopicPartition, tuple[int, int]]]:
        """The questions to each broker: the one there is leads all partitions there are."""
        led = {
            partition: (timestamp, -1) for partition, timestamp in timestamps.items() if partition in self._cluster.logs
        }
        return {0: led} if led else {}

    def _send_list_offsets_requests(self, timestamps: Mapping[TopicPartition, int]) -> Any:
        """Ask for the ends of logs; in 3.x it is a coroutine, and the manager makes a future of it."""
        if self._questions.has_io_thread:
            return self._ends_async(timestamps)
        return self._questions.ask(self._ends, timestamps)

    async def _ends_async(self, timestamps: Mapping[TopicPartition, int]) -> Any:
        return self._ends(timestamps)

    def _ends(self, timestamps: Mapping[TopicPartition, int]) -> Any:
        """The ends by partition, and the partitions whose leader is not known."""
        self._cluster.on_call("end_offsets", "before")
        self._cluster.end_late_transactions()
        logs = {partition: log for partition in timestamps if (log := self._cluster.logs.get(partition)) is not None}
        isolation = ISOLATIONS[self._isolation_level]
        ends = {partition: SimpleNamespace(offset=log.readable_end(isolation)) for partition, log in logs.items()}
        return ends, timestamps.keys() - logs.keys()

    def fetched_records(self, max_records: int) -> tuple[dict[TopicPartition, list[ConsumerRecord]], bool]:
        """Return at most *max_records* records and move the positions behind them; and that this was all there is.

        Offsets without a record for this consumer (markers, aborted records) are passed with the records before them if
        there is room for one more, and with the next fetch otherwise.
        """
        self._cluster.end_late_transactions()
        found = self._prefetched(max_records)
        max_records -= sum(map(len, found.values()))
        for partition, state in self._subscription.assignment.items():
            log = self._cluster.logs.get(partition)
            if log is None or not self._cluster.brokers.can_fetch(partition):
                continue
            if state.paused and state.has_valid_position:
                continue
            if state.position is None and self._must_wait(partition):
                continue
            offset = self.find(partition)
            if state.paused or max_records <= 0 or partition in found:
                continue
            state.highwater = log.end
            part = Parsed(partition, offset, log.read(offset, MOST, self._isolation), self._deserializing())
            if records := part.take(max_records):
                found[partition] = records
            is_cut = len(records) == max_records
            if part:
                self._next_partition_records = part
            state.seek(records[-1].offset + 1 if is_cut else max(offset, log.readable_end(self._isolation)))
            max_records -= len(records)
        return found, False

    def _prefetched(self, max_records: int) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Hand out the rest of the last fetch, or forget it: sought away from, paused, or not assigned any more."""
        part = self._next_partition_records
        if not isinstance(part, Parsed):
            return {}
        self._next_partition_records = None
        partition, state = part.topic_partition, self._subscription.assignment.get(part.topic_partition)
        if state is None or state.position is None or state.paused or max_records <= 0:
            return {}
        if state.position.offset != part.next_fetch_offset or not part:
            return {}
        records = part.take(max_records)
        state.seek(part.next_fetch_offset)
        if part:
            self._next_partition_records = part
        return {partition: records}

    @property
    def _isolation(self) -> Isolation:
        isolation: Isolation = self.config["isolation_level"]
        return isolation

    def find(self, partition: TopicPartition) -> int:
        """Make sure that *partition* has a position that can be read, and return it."""
        state = self._subscription.assignment[partition]
        before = self._committed(partition) if state.position is None else state.position.offset
        log, reset = self._cluster.log(partition), self.config["auto_offset_reset"]
        offset = find_position(log, partition, before, reset, self._isolation)
        state.seek(offset)
        if before not in {None, offset}:
            self._cluster.on_reset(partition, offset)
        return offset

    def _must_wait(self, partition: TopicPartition) -> bool:
        """Tell whether a transaction is about to change the committed offset, for which 3.x waits."""
        group_id = self.config["group_id"]
        is_strict = self._questions.has_io_thread and self._isolation == "read_committed"
        return is_strict and group_id is not None and self._cluster.is_unstable(group_id, partition)

    def _committed(self, partition: TopicPartition) -> int | None:
        group_id = self.config["group_id"]
        found = None if group_id is None else self._cluster.committed(group_id, partition)
        return None if found is None else found.offset

    def _deserializing(self) -> Callable[[Any], Any]:
        key, value = (self.config[name] for name in ("key_deserializer", "value_deserializer"))
        if key is None and value is None:
            return lambda record: record
        return partial(deserialized_record, key, value)
