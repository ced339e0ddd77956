"""What must hold at every moment of a simulated run. It knows records and the broker, and nothing of our code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition

from kafka_parallel.testing.fake import FakeCluster

Place = tuple[TopicPartition, int]


class Violation(AssertionError):  # noqa: N818 - what it is
    """A promise was broken."""


class Checker:
    """Watches fetches, handlers and commits.

    :param lane_of: the ordering key of a record; ``None`` = it needs no order.
    :param most_buffered: how many records one instance may hold.
    :param most_bytes: how many bytes of keys, values and headers, and one record more.
    :ivar has_news: whether something was committed since `is_complete` was asked.
    :param source: the topic to which that applies; retry topics are read from their beginning.
    :param reset: where a group without a committed offset begins: "earliest", or "latest" = with the first fetch.
    """

    def __init__(
        self,
        cluster: FakeCluster,
        lane_of: Callable[[Any], Hashable | None],
        most_buffered: float,
        reset: str,
        source: str = "t",
        most_bytes: float = float("inf"),
    ) -> None:
        self._cluster = cluster
        self._lane_of = lane_of
        self._most_buffered = most_buffered
        self._most_bytes = most_bytes
        self._sizes: dict[Place, int] = {}
        self._reset = reset
        self._source = source
        self._running: dict[tuple[str, TopicPartition, Hashable], int] = {}
        self._latest: dict[tuple[str, int, TopicPartition, Hashable], int] = {}
        self._periods: dict[tuple[str, TopicPartition], int] = {}
        self._held: dict[str, set[Place]] = defaultdict(set)
        self._committed: dict[TopicPartition, int] = {}
        self._fetched: dict[tuple[str, TopicPartition], int] = {}
        self._first: dict[TopicPartition, int] = {}
        self._copies: dict[tuple[int, int], int] = defaultdict(int)
        self._finished_by: dict[str, set[Place]] = defaultdict(set)
        self._excused: dict[Place, int] = defaultdict(int)
        self._failures: dict[Place, dict[str, int]] = defaultdict(dict)
        self._begun: dict[Hashable, list[float]] = defaultdict(list)
        self.done: dict[Place, int] = {}
        self.violation: Violation | None = None
        self.has_news = True
        cluster.on_commit = self._commit

    def _violate(self, what: str) -> None:
        """Note the first violation, for whoever runs the world: code under test may catch what is raised here."""
        self.violation = self.violation or Violation(what)
        raise self.violation

    # What instances do

    def assigned(self, instance: str, partitions: Collection[TopicPartition]) -> None:
        """Note that *instance* got *partitions*: it may see records again."""
        for partition in partitions:
            self._periods[instance, partition] = self._periods.get((instance, partition), 0) + 1
        self._held[instance] = {place for place in self._held[instance] if place[0] not in partitions}

    def fetched(
        self, instance: str, batch: Mapping[TopicPartition, Iterable[Any]], owned: Collection[TopicPartition]
    ) -> None:
        """Note that *instance*, which owns *owned*, got records."""
        for partition, records in batch.items():
            self._fetched.setdefault((instance, partition), next(iter(records)).offset)
            self._sizes.update({(partition, record.offset): _size(record) for record in records})
        held = {place for place in self._held[instance] if place[0] in owned}
        held |= {(partition, record.offset) for partition, records in batch.items() for record in records}
        self._held[instance] = held

    def fetches(self, instance: str) -> None:
        """Note that *instance* asks for more: what it got before is taken now, or given back."""
        if (count := len(self._held[instance])) > self._most_buffered:
            self._violate(f"{instance} holds {count} records, more than {self._most_buffered}")
        sizes = [self._sizes[place] for place in self._held[instance]]
        if sum(sizes) > self._most_bytes + max(sizes, default=0):
            self._violate(f"{instance} holds {sum(sizes)} bytes, by more than a record more than {self._most_bytes}")

    def sought(self, instance: str, partition: TopicPartition, offset: int) -> None:
        """Note that *instance* gave back what it had fetched of *partition* from *offset* on."""
        self._held[instance] = {place for place in self._held[instance] if place[0] != partition or place[1] < offset}

    def started(self, instance: str, record: Any, *, is_owner: bool, is_prompt: bool) -> None:
        """Note that a handler began.

        :param is_owner: the group considers the partition this instance's.
        :param is_prompt: nothing can have slept between the decision to run it and its handler. If something did, its
            assignment may be history by now, and a later one may have gone back.
        """
        partition = TopicPartition(record.topic, record.partition)
        self._first.setdefault(partition, self._fetched[instance, partition])
        if is_prompt and is_owner and record.offset < self._committed.get(partition, 0):
            self._violate(f"{partition} @{record.offset} began although {self._committed[partition]} was committed")
        lane = self._lane_of(record)
        if lane is None:
            return
        place = (instance, partition, lane)
        if place in self._running:
            self._violate(f"{partition} @{record.offset} began while @{self._running[place]} of its lane still ran")
        self._running[place] = record.offset
        latest = (instance, self._periods.get((instance, partition), 0), partition, lane)
        if is_prompt and record.offset < self._latest.get(latest, -1):
            self._violate(f"{partition} @{record.offset} began after @{self._latest[latest]} of its lane")
        self._latest[latest] = record.offset

    def paced(
        self,
        instance: str,
        record: Any,
        now: float,
        *,
        records_per_second: float | None,
        per_key_per_second: float | None,
        burst: int,
    ) -> None:
        """Note that a handler began *now*: within no time may more have begun than the rates allow."""
        partition, lane = TopicPartition(record.topic, record.partition), self._lane_of(record)
        rates: dict[Hashable, float | None] = {(instance,): records_per_second}
        if lane is not None:
            rates[instance, partition, lane] = per_key_per_second
        for place, rate in rates.items():
            begun = self._begun[place]
            begun.append(now)
            for count, since in enumerate(reversed(begun), 1):
                if rate is not None and count > burst + rate * (now - since) + 1e-6:
                    self._violate(f"{count} records of {place} began in {now - since:.3f} s, at a rate of {rate}")

    def runs(self, instance: str, handlers: int, most: int) -> None:
        """Note how many handlers of *instance* run at once."""
        if handlers > most:
            self._violate(f"{instance} runs {handlers} handlers at once, more than {most}")

    def attempted(self, instance: str, record: Any, attempt: int) -> None:
        """Note that *instance* makes its *attempt* at a record: it must be one more than have failed there.

        Only until the partition comes back: an attempt may end after the record was taken again, and what ends then
        changes nothing.
        """
        partition = TopicPartition(record.topic, record.partition)
        failures = self._failures[partition, record.offset].get(instance, 0)
        if attempt != failures + 1 and self._periods.get((instance, partition), 0) <= 1:
            self._violate(f"{partition} @{record.offset} began as attempt {attempt}, but {failures} have failed")

    def failed(self, instance: str, record: Any) -> None:
        """Note that an attempt of *instance* at a record has failed."""
        failures = self._failures[TopicPartition(record.topic, record.partition), record.offset]
        failures[instance] = failures.get(instance, 0) + 1

    def ended(self, instance: str, record: Any, *, is_done: bool) -> None:
        """Note that a handler ended; *is_done* if the record needs no more work."""
        partition = TopicPartition(record.topic, record.partition)
        self._running.pop((instance, partition, self._lane_of(record)), None)
        if is_done:
            self.finish(instance, partition, record.offset)

    def finish(self, instance: str, partition: TopicPartition, offset: int) -> None:
        """Note that *instance* did what makes a record need no more work; it forgets its earlier attempts."""
        for held in self._held.values():
            held.discard((partition, offset))
        self.done[partition, offset] = self.done.get((partition, offset), 0) + 1
        self._finished_by[instance].add((partition, offset))
        self._failures[partition, offset].pop(instance, None)

    def due(self, record: Any, now: float) -> None:
        """Note that a handler of a record of a retry topic begins *now*, in seconds since the Unix epoch."""
        due_ms = int.from_bytes(dict(record.headers)["retry_topic-backoff-timestamp"], "big")
        if now * 1000 < due_ms - 1:
            self._violate(f"{record.topic} @{record.offset} began {due_ms - now * 1000:.0f} ms before it was due")

    def wrote(self, place: tuple[int, int], value: bytes | None, *, is_whole: bool) -> None:
        """Note that the broker acknowledged a copy of the record that was first read at *place*, with its *value*.

        :param is_whole: the copy does not say that it is one without the value.
        """
        self._copies[place] += 1
        log = self._cluster.logs[TopicPartition(self._source, place[0])]
        for record in log.read(place[1], 1):
            if is_whole and record.offset == place[1] and record.value != value:
                self._violate(f"the copy of {place} has the value {value!r}, but the record {record.value!r}")

    def handed_on(self, place: tuple[int, int]) -> None:
        """Note that the record first read at *place* was skipped because a copy of it was written."""
        self._copies[place] -= 1
        if self._copies[place] < 0:
            self._violate(f"{place} counts as finished, but no copy of it was acknowledged")

    def neglected(self, instance: str, waiting: Collection[Place]) -> None:
        """Note that handlers of *instance* were not told that nobody waits for them any more."""
        self._violate(f"{instance} did not cancel the handlers of {waiting}, for which nobody waits")

    def cannot_commit(self, instance: str) -> None:
        """Note that *instance* will never commit what it has finished and not committed: each of it may be repeated."""
        for place in self._finished_by.pop(instance, ()):
            self._excused[place] += place[1] >= self._committed.get(place[0], 0)

    def killed(self, instance: str) -> None:
        """Note that *instance* is gone, and all that ran in it."""
        self._running = {place: offset for place, offset in self._running.items() if place[0] != instance}
        self._held.pop(instance, None)

    def _commit(self, _: str, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        for partition, committed in offsets.items():
            before = self._committed.get(partition, 0)
            self._first.setdefault(partition, committed.offset)
            log = self._cluster.logs[partition]
            if committed.offset < before:
                self._violate(f"{partition}: the commit went back from {before} to {committed.offset}")
            if committed.offset > log.end:
                self._violate(f"{partition}: {committed.offset} was committed, beyond the end {log.end}")
            for record in log.read(max(before, self._begin(partition)), len(log.records)):
                if record.offset >= committed.offset:
                    break
                if (partition, record.offset) not in self.done:
                    self._violate(f"{partition}: {committed.offset} was committed, but @{record.offset} is not done")
            self._committed[partition] = committed.offset
        self.has_news = True

    def _begin(self, partition: TopicPartition) -> int:
        """The first offset that has to be handled; the end of the log while that is not decided.

        With "latest" it is decided by the first commit or the first handler. Who dies between a fetch and either has
        done nothing yet, and the next start begins at a later end.
        """
        log = self._cluster.logs[partition]
        may_skip = self._reset == "latest" and partition.topic == self._source
        return self._first.get(partition, log.end) if may_skip else log.start

    # What is left

    def is_complete(self, partitions: Iterable[TopicPartition]) -> bool:
        """Tell whether every record of *partitions* is done and committed."""
        self.has_news = False
        logs = self._cluster.logs
        return all(
            self._committed.get(partition, 0) > record.offset
            for partition in partitions
            for record in logs[partition].records[-1:]
            if record.offset >= self._begin(partition)
        )

    def state(self) -> str:
        """What is not committed, for people."""
        ends = {partition: log.end for partition, log in self._cluster.logs.items()}
        return ", ".join(f"{p.topic}[{p.partition}] {self._committed.get(p, 0)} of {end}" for p, end in ends.items())

    @property
    def repeats(self) -> int:
        """How often a record was finished beyond its first time."""
        return sum(count - 1 for count in self.done.values())

    @property
    def needless_repeats(self) -> list[Place]:
        """The records that were finished more often than those who could not commit them explain."""
        return [place for place, count in self.done.items() if count - 1 > self._excused.get(place, 0)]


def _size(record: Any) -> int:
    """The bytes of its key, value and headers."""
    sizes = (record.serialized_key_size, record.serialized_value_size, record.serialized_header_size)
    return sum(max(0, size) for size in sizes)
