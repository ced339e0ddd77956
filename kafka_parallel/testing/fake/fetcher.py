"""How records get from the logs to a fake consumer: also what ``consumer._fetcher`` is."""

from __future__ import annotations

from typing import Any

from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from kafka_parallel.runtime.deserializers import deserialized_record
from kafka_parallel.testing.fake.cluster import FakeCluster
from kafka_parallel.testing.fake.log import Isolation
from kafka_parallel.testing.fake.subscription import Subscription, find_position


class Fetcher:
    """Reads the assigned partitions that are not paused.

    :param config: the consumer's configuration, its own copy; deserialisers are looked up in it at each fetch.
    """

    def __init__(
        self,
        cluster: FakeCluster,
        subscription: Subscription,
        config: dict[str, Any],
    ) -> None:
        self.config = config
        self._cluster = cluster
        self._subscription = subscription

    def fetch(self, max_records: int) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Return at most *max_records* records and move the positions behind them.

        What holds no record for this consumer (markers, aborted records) is passed with the records before it if there
        is room for one more, and with the next fetch otherwise.
        """
        found: dict[TopicPartition, list[ConsumerRecord]] = {}
        for partition, state in self._subscription.assignment.items():
            log = self._cluster.logs.get(partition)
            if log is None or (state.paused and state.has_valid_position):
                continue
            offset = self.find(partition)
            if state.paused or max_records <= 0:
                continue
            records = log.read(offset, max_records, self._isolation)
            if records:
                found[partition] = [self._deserialized(record) for record in records]
            is_cut = len(records) == max_records
            state.seek(records[-1].offset + 1 if is_cut else max(offset, log.readable_end(self._isolation)))
            max_records -= len(records)
        return found

    @property
    def _isolation(self) -> Isolation:
        isolation: Isolation = self.config["isolation_level"]
        return isolation

    def find(self, partition: TopicPartition) -> int:
        """Make sure that *partition* has a position that can be read, and return it."""
        return find_position(
            self._cluster.log(partition),
            partition,
            self._subscription.assignment[partition],
            lambda: self._committed(partition),
            self.config["auto_offset_reset"],
            self._isolation,
        )

    def _committed(self, partition: TopicPartition) -> int | None:
        group_id = self.config["group_id"]
        found = None if group_id is None else self._cluster.committed(group_id, partition)
        return None if found is None else found.offset

    def _deserialized(self, record: Any) -> Any:
        key, value = (self.config[name] for name in ("key_deserializer", "value_deserializer"))
        if key is None and value is None:
            return record
        return deserialized_record(key, value, record)
