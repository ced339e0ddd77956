"""The records that each instance holds, fetched and neither finished nor given back: never more than its buffer may."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from kafka import TopicPartition

from kafka_parallel.testing.simulation.calls import Place


class Holdings:
    """The fetched records of all instances.

    :param most_records: how many records one instance may hold.
    :param most_bytes: how many bytes of keys, values and headers, and one record more.
    :param violate: is called with what is wrong.
    :ivar finishes_on_arrival: tells whether an instance knows that a record is finished when it comes.
    """

    def __init__(self, most_records: float, most_bytes: float, violate: Callable[[str], object]) -> None:
        self._most_records = most_records
        self._most_bytes = most_bytes
        self._violate = violate
        self.finishes_on_arrival: Callable[[str, Place], bool] = lambda *_: False
        self._held: dict[str, set[Place]] = defaultdict(set)
        self._sizes: dict[Place, int] = {}
        self._first: dict[tuple[str, TopicPartition], int] = {}
        self._fetched_at: dict[tuple[str, Place], float] = {}

    def fetched(
        self,
        instance: str,
        batch: Mapping[TopicPartition, Iterable[Any]],
        owned: Collection[TopicPartition],
        now: float = 0.0,
    ) -> None:
        """Note that *instance*, which owns *owned*, got records *now*."""
        for partition, records in batch.items():
            self._first.setdefault((instance, partition), next(iter(records)).offset)
            self._fetched_at.update({(instance, (partition, record.offset)): now for record in records})
            self._sizes.update({(partition, record.offset): size_of(record) for record in records})
        held = {place for place in self._held[instance] if place[0] in owned}
        come = {(partition, record.offset) for partition, records in batch.items() for record in records}
        self._held[instance] = held | {place for place in come if not self.finishes_on_arrival(instance, place)}

    def first_offset(self, instance: str, partition: TopicPartition) -> int:
        """The first offset of *partition* that *instance* ever got."""
        return self._first[instance, partition]

    def fetched_at(self, instance: str, place: Place) -> float:
        """The time at which *instance* got the record at *place* last."""
        return self._fetched_at[instance, place]

    def fetches(self, instance: str) -> None:
        """Note that *instance* asks for more: the records before are taken now, or given back."""
        if (count := len(self._held[instance])) > self._most_records:
            self._violate(f"{instance} holds {count} records, more than {self._most_records}")
        sizes = [self._sizes[place] for place in self._held[instance]]
        if sum(sizes) > self._most_bytes + max(sizes, default=0):
            self._violate(f"{instance} holds {sum(sizes)} bytes, by more than a record more than {self._most_bytes}")

    def assigned(self, instance: str, partitions: Collection[TopicPartition]) -> None:
        """Note that *instance* got *partitions*: it holds nothing of them from before."""
        self._held[instance] = {place for place in self._held[instance] if place[0] not in partitions}

    def sought(self, instance: str, partition: TopicPartition, offset: int) -> None:
        """Note that *instance* gave back the records of *partition* from *offset* on."""
        self._held[instance] = {place for place in self._held[instance] if place[0] != partition or place[1] < offset}

    def finished(self, place: Place) -> None:
        """Note that the record at *place* is finished, by whichever instance."""
        for held in self._held.values():
            held.discard(place)

    def dropped(self, instance: str) -> None:
        """Note that *instance* holds nothing any more: it is gone, or may not commit, whatever it is on its way to."""
        self._held.pop(instance, None)


def size_of(record: Any) -> int:
    """The bytes of the key, the value and the headers of *record*."""
    sizes = (record.serialized_key_size, record.serialized_value_size, record.serialized_header_size)
    return sum(max(0, size) for size in sizes)
