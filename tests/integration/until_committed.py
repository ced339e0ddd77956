"""A consumer that ends once its group has committed everything, instead of waiting for silence in each test."""

from __future__ import annotations

import threading
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from kafka_parallel import Batch, ParallelConsumer

# Seconds between two looks at the committed offsets.
LOOK_EVERY = 0.1
# Silence of a broker on a busy machine is no end of the records: 6 s of it have been seen.
PATIENCE_MS = 60_000


class UntilCommitted(ParallelConsumer):
    """Runs until all records of its topics are committed, or until a long silence."""

    def __init__(self, consumer: Any, **options: Any) -> None:
        consumer.config["consumer_timeout_ms"] = max(consumer.config["consumer_timeout_ms"], PATIENCE_MS)
        super().__init__(consumer, **options)
        self._connection = {name: consumer.config[name] for name in ("bootstrap_servers", "group_id")}
        self._has_ended = threading.Event()

    def run(self, handler: Any, batch: Batch | None = None) -> None:
        ending = threading.Thread(target=self._stop_at_the_end, name="until-committed")
        ending.start()
        try:
            super().run(handler, batch)
        finally:
            self._has_ended.set()
            ending.join()

    def _stop_at_the_end(self) -> None:
        observer = KafkaConsumer(**self._connection, enable_auto_commit=False)
        try:
            while not self._has_ended.wait(LOOK_EVERY):
                if self.state == "running" and self._is_complete(observer):
                    self.stop()
                    return
        finally:
            observer.close(autocommit=False)

    def _is_complete(self, observer: KafkaConsumer) -> bool:
        """True if the offsets committed a moment ago reach the ends of all partitions as they are now."""
        topics = self._client.topics
        partitions = [
            TopicPartition(topic, number) for topic in topics for number in observer.partitions_for_topic(topic) or ()
        ]
        try:
            committed = {partition: observer.committed(partition) or 0 for partition in partitions}
            ends = observer.end_offsets(partitions)
        except KafkaError:
            return False  # a test may take the broker away
        return (
            bool(partitions)
            and any(ends.values())
            and all(committed[partition] >= ends[partition] for partition in partitions)
        )
