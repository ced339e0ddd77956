"""The committed offsets of one group: never behind, never beyond the records that are done, and complete at the end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition

from kafka_parallel.testing.fake import FakeCluster
from kafka_parallel.testing.fake.log import Isolation
from kafka_parallel.testing.simulation.calls import Lane, Place
from kafka_parallel.testing.simulation.jumps import Jumps
from kafka_parallel.testing.simulation.starts import Starts
from kafka_parallel.testing.simulation.told import ToldFinished, told_by
from kafka_parallel.testing.simulation.wanted import WantedAgain


class CommittedOffsets:
    """Judges each commit that the brokers of *cluster* store.

    :param source: the topic to which *is_latest* applies; retry topics are read from their beginning.
    :param starts: where the group begins, and what resets have skipped.
    :param isolation: which records consumers get.
    :param done: the records that are done.
    :param violate: is called with what is wrong.
    :param jumps: those of the application.
    :param is_latest: whether a group without a committed offset begins at the end of the log: see ``starts.py``.
    :ivar told: the records that commits tell to be finished above their offsets.
    :ivar wanted: the records that jumps want handled again.
    :ivar has_news: whether something was committed since `is_complete` was asked.
    """

    def __init__(
        self,
        cluster: FakeCluster,
        source: str,
        starts: Starts,
        isolation: Isolation,
        done: Collection[Place],
        violate: Callable[[str], object],
        jumps: Jumps,
        *,
        is_latest: bool,
    ) -> None:
        self.has_news = True
        self._cluster = cluster
        self._source = source
        self._starts = starts
        self._isolation: Isolation = isolation
        self._done = done
        self._violate = violate
        self._jumps = jumps
        self._is_latest = is_latest
        self._offsets: dict[TopicPartition, int] = {}
        self._highest: dict[TopicPartition, int] = {}
        self.told = ToldFinished(done, self._read, self._has_record, violate)
        self.wanted = WantedAgain(self._read, told_by, violate)
        cluster.on_commit = self.commit
        cluster.on_reset = self.was_reset

    def offset(self, partition: TopicPartition) -> int:
        """The committed offset of *partition*; 0 without one."""
        return self._offsets.get(partition, 0)

    def commit(self, _: str, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """Note that the brokers store *offsets* of its group."""
        for partition, committed in offsets.items():
            before = self.offset(partition)
            self._starts.decide(partition, committed.offset)
            log = self._cluster.logs[partition]
            if committed.offset < before and not self._jumps.may_be_committed(partition, committed.offset):
                self._violate(f"{partition}: the commit went back from {before} to {committed.offset}")
            if committed.offset > log.end:
                self._violate(f"{partition}: {committed.offset} was committed, beyond the end {log.end}")
            for record in self._read(partition, self._first_left(partition)):
                if record.offset >= committed.offset:
                    break
                if (partition, record.offset) not in self._done:
                    self._violate(f"{partition}: {committed.offset} was committed, but @{record.offset} is not done")
            self._offsets[partition] = committed.offset
            self._highest[partition] = max(committed.offset, self._highest.get(partition, 0))
            self.told.commit(partition, committed)
        self.has_news = True

    def moved(self, partition: TopicPartition, offset: int) -> None:
        """Note that another program stores *offset*."""
        self._jumps.move(partition, self.offset(partition), offset)
        self._offsets[partition] = offset
        self.told.moved(partition, offset)
        self.wanted.moved(partition, offset)
        self.has_news = True

    def was_reset(self, partition: TopicPartition, offset: int) -> None:
        """Note that a member was sent to *offset* of *partition*, whose position did not exist any more."""
        self._starts.reset(partition, offset)
        self.wanted.was_reset(partition, offset)
        self.has_news = True

    def confirmed(self, instance: str, partition: TopicPartition, offset: int) -> None:
        """Note that *instance* takes *offset* for stored: it has been, although a jump back may have come since."""
        if self._highest.get(partition, 0) < offset:
            self._violate(f"{instance} takes {offset} of {partition} for committed, which no broker has stored")

    def uncommitted(self, partition: TopicPartition, offset: int) -> int:
        """The number of records up to *offset* that would come again if no commit followed."""
        return sum(record.offset <= offset for record in self._read(partition, self._first_left(partition)))

    def left(self, partition: TopicPartition) -> int:
        """The number of records of *partition* that are not done."""
        records = self._read(partition, self._first_left(partition))
        return sum((partition, record.offset) not in self._done for record in records)

    def is_complete(self, partitions: Iterable[TopicPartition]) -> bool:
        """Tell whether every record of *partitions* is done, and all committed that can be read."""
        self.has_news = False
        ends = {partition: self._cluster.logs[partition].readable_end(self._isolation) for partition in partitions}
        return all(self._first_left(partition) >= end for partition, end in ends.items())

    def is_blocked(
        self,
        partitions: Iterable[TopicPartition],
        blocked: Mapping[Lane, int],
        lane_of: Callable[[Any], Hashable | None],
    ) -> bool:
        """Tell whether everything of *partitions* is committed up to the first record that cannot be handled.

        :param blocked: lanes in which nothing can be handled from some offset on.
        :param lane_of: the ordering key of a record.
        """
        return all(self._is_blocked(partition, blocked, lane_of) for partition in partitions)

    def _is_blocked(
        self, partition: TopicPartition, blocked: Mapping[Lane, int], lane_of: Callable[[Any], Hashable | None]
    ) -> bool:
        log = self._cluster.logs[partition]
        found = log.read(self._first_left(partition), len(log.records), self._isolation)
        first = next((record for record in found if (partition, record.offset) not in self._jumps.passed), None)
        if first is None:
            return True
        is_gone = any(offset < log.start for lane, offset in blocked.items() if lane[0] == partition)
        return is_gone or bool(first.offset >= blocked.get((partition, lane_of(first)), log.end))

    def state(self) -> str:
        """The committed offsets and the ends, for people."""
        ends = {partition: log.end for partition, log in self._cluster.logs.items()}
        return ", ".join(f"{p.topic}[{p.partition}] {self.offset(p)} of {end}" for p, end in ends.items())

    def _first_left(self, partition: TopicPartition) -> int:
        """The first offset whose record would be handled again if the group started now.

        A jump may take the commit to before the first start of the group: that counts no more then.
        """
        committed = self._offsets.get(partition)
        if committed is None and self._is_latest and partition.topic == self._source:
            return self._latest_start(partition)
        return max(committed or 0, self._cluster.logs[partition].start, self._starts.skipped(partition))

    def _latest_start(self, partition: TopicPartition) -> int:
        """The start of a group without a commit, with "latest"; the end of the log while that is not decided.

        It is decided by the first commit or the first handler. An instance that dies between a fetch and either has
        done nothing yet, and the next start begins at a later end.
        """
        start = self._starts.get(partition)
        return self._cluster.logs[partition].end if start is None else start

    def _read(self, partition: TopicPartition, offset: int) -> list[Any]:
        """The records of *partition* from *offset* on that a consumer gets, without those that a jump has passed."""
        log = self._cluster.logs[partition]
        skipped = self._jumps.skipped
        found = log.read(offset, len(log.records), self._isolation)
        return [record for record in found if (partition, record.offset) not in skipped] if skipped else found

    def _has_record(self, partition: TopicPartition, offset: int) -> bool:
        """Tell whether a consumer that begins at *offset* of *partition* gets the record there."""
        found = self._cluster.logs[partition].read(offset, 1, self._isolation)
        return bool(found) and bool(found[0].offset == offset)
