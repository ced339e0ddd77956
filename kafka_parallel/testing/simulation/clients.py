"""The clients of the simulated application: fakes that tell the checker their observations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

from kafka import TopicPartition
from kafka.errors import KafkaError

from kafka_parallel._runtime.client.consumer_checks import usable
from kafka_parallel.testing.fake import FakeCluster, FakeConsumer, FakeProducer
from kafka_parallel.testing.fake.membership import is_rebalancing
from kafka_parallel.testing.simulation.acts import PLACE
from kafka_parallel.testing.simulation.checker import Checker
from kafka_parallel.testing.simulation.hostile import place_of
from kafka_parallel.testing.simulation.interruption import Interruption
from kafka_parallel.testing.simulation.plan import LONGEST, TOPIC
from kafka_parallel.testing.simulation.process import Process
from kafka_parallel.testing.simulation.user_code import BY_NAME


class Pausing(Protocol):
    """The part of the application that pauses partitions."""

    def holds(self, partition: TopicPartition) -> bool:
        """Tell whether a pause of the user holds *partition*, as far as this client remembers it."""


@usable
class WatchedConsumer(FakeConsumer):
    """Tells the checker the fetched records."""

    def __init__(
        self,
        cluster: FakeCluster,
        checker: Checker,
        habits: Literal["2.x", "3.x"],
        instance: str,
        process: Process,
        config: dict[str, Any],
    ) -> None:
        super().__init__(cluster=cluster, habits=habits, clock=process, **config)
        self._checker = checker
        self._instance = instance
        self.meddler: Pausing | None = None
        self.seeker: Any = None
        self._has_failed = False
        self._wished: list[TopicPartition] = []
        self.wishes: list[str] = []
        self.is_leaving: Callable[[], bool] = lambda: False
        self.interruption: Interruption | None = None
        self.leaves: Callable[[], None] = lambda: None

    def poll(self, *arguments: Any, **options: Any) -> dict[TopicPartition, list[Any]]:
        """Fetch."""
        self._checker.tenures.goes_on(self._instance)
        self._checker.wanted.polls(self._instance)
        if not self.is_leaving():  # on its way out it throws its records away
            self._checker.holdings.fetches(self._instance)
        batch = self._polled(*arguments, **options)
        batch = {
            partition: records if partition.topic == TOPIC else [_stamped(record) for record in records]
            for partition, records in batch.items()
        }
        self._checker.holdings.fetched(self._instance, batch, self._states, self._clock.monotonic())
        self._stand()
        if self.wishes:
            self._wished = [p for p in self._wished or sorted(self._states)[:1] if p in self._states]
            getattr(self, self.wishes.pop(0))(*self._wished)
        if self.interruption is not None:
            self.interruption.begin()
        return batch

    def _polled(self, *arguments: Any, **options: Any) -> dict[TopicPartition, list[Any]]:
        """Poll; after an error for good the real client may never return."""
        if self._has_failed:
            self._checker.violate(f"{self._instance} polls again after a poll has failed for good")
        try:
            return super().poll(*arguments, **options)
        except KafkaError as error:
            self._has_failed = not (error.retriable or is_rebalancing(error))
            raise

    def _poll_once(self, max_records: int) -> dict[TopicPartition, list[Any]]:
        """Fetch; partitions that the user has paused must not come."""
        batch = super()._poll_once(max_records)
        if self.meddler is not None and (wrong := [place for place in batch if self.meddler.holds(place)]):
            self._checker.violate(f"{self._instance} fetched of {wrong}, which the user has paused")
        return batch

    @property
    def is_closed(self) -> bool:
        """True once it is closed."""
        return self._closed

    def state_of(self, partition: TopicPartition) -> Any:
        """Its state of *partition*; an object of its own for each time that it was assigned."""
        return self._states.get(partition)

    def _stand(self) -> None:
        """Tell where it is in the partitions of the source topic, if it could commit that now."""
        known = {p: state.position.offset for p, state in self._states.items() if state.position and p.topic == TOPIC}
        if self._can_commit:
            self._checker.starts.stands(self._instance, known, self._clock.monotonic())
        else:
            self._checker.starts.falls(self._instance)

    @property
    def _can_commit(self) -> bool:
        if self._instance in self._checker.interrupted:
            return False  # in the middle of its first poll, say, before it knows where it begins
        if not self._subscription.is_by_group:
            return not self._cluster.group(self.config["group_id"]).members
        return self._coordinator.is_current()

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Jump: records from there on will be fetched again, so they are not held any more."""
        super().seek(partition, offset)
        self._checker.holdings.sought(self._instance, partition, offset)

    def commit(self, offsets: Any = None, timeout_ms: Any = None) -> None:
        """Commit; who is refused for good gives up all that it holds."""
        self._checker.tenures.goes_on(self._instance)
        self._judge(offsets)
        try:
            super().commit(offsets, timeout_ms)
        except KafkaError as error:
            self._refused(error)
            raise

    def commit_async(self, offsets: Any = None, callback: Any = None) -> Any:
        """Commit without waiting; the same holds once the answer is there."""
        self._judge(offsets)
        return super().commit_async(offsets, callback).add_errback(self._refused)

    def _judge(self, offsets: Any) -> None:
        if self._instance not in self._checker.interrupted:  # a jump may have been interrupted before it took place
            self._checker.wanted.commits(self._instance, offsets or {}, self._clock.monotonic())

    def _refused(self, error: Exception) -> None:
        self._checker.starts.falls(self._instance)
        if not is_rebalancing(error) and not getattr(error, "retriable", False):
            self._checker.holdings.dropped(self._instance)

    def close(self, *arguments: Any, **options: Any) -> None:
        """Leave the group: records not committed by now are left to others."""
        self.leaves()
        starts = self._checker.starts
        (starts.leaves if self._can_commit else starts.falls)(self._instance)
        super().close(*arguments, **options)

    def owns(self, partition: TopicPartition) -> bool:
        """Tell whether the cluster considers *partition* this member's."""
        if not self._subscription.is_by_group:
            return True
        group = self._cluster.group(self.config["group_id"])
        return self._coordinator.is_current() and partition in group.members[self.name].assigned


class Rearranging(WatchedConsumer):
    """An application's subclass: its poll() returns the records in another order, and under another partition."""

    def poll(self, *arguments: Any, **options: Any) -> dict[TopicPartition, list[Any]]:
        """Return all records under one partition, the newest first."""
        records = [record for found in super().poll(*arguments, **options).values() for record in found]
        return {TopicPartition(records[0].topic, records[0].partition): records[::-1]} if records else {}


class WatchedProducer(FakeProducer):
    """Tells the checker which records have a copy that was acknowledged."""

    def __init__(self, cluster: FakeCluster, checker: Checker, **config: Any) -> None:
        super().__init__(cluster=cluster, **config)
        self._checker = checker

    def send(self, topic: str, *arguments: Any, **options: Any) -> Any:
        """Write a copy of a record."""
        sent = super().send(topic, *arguments, **options)
        headers = options["headers"]
        place, is_whole = place_of(headers, TOPIC), "kafka-parallel.value-omitted" not in dict(headers)
        if sent.succeeded() and place is not None:
            self._checker.copies.wrote(place, options["value"], is_whole=is_whole)
        return sent


def _stamped(record: Any) -> Any:
    """Write into a record of a retry topic where it was read: its handler sees where it was read first."""
    others = [header for header in record.headers if header[0] != PLACE]
    place = f"{record.topic} {record.partition} {record.offset}".encode()
    return record._replace(headers=[*others, (PLACE, place)])


def text_of(data: bytes | None, oddity: str = "raises ValueError") -> str | None:
    """Deserialise a value.

    :param oddity: its behaviour with one of the longest; see ``user_code.py``.
    :raises BaseException: it is one of these.
    """
    if data is None:
        return None
    if len(data) >= LONGEST:
        BY_NAME[oddity].act(data, None)
    return data.decode()
