"""Does each transaction have the results of the records that its offsets pass, also where the program jumps?

The rule: a commit passes the records from the group's offset before it up to its own. Its transaction has one result of
each, in order, and no other. Only a jump of the committing member changes where it begins: after a jump back, records
from the target on may be passed once more, and so have one result more. Those that a jump forward leaves out may come
or not; all others must never be without a result.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate

from kafka import OffsetAndMetadata, TopicPartition

from kafka_parallel.testing.fake import FakeCluster
from kafka_parallel.testing.simulation.jumps import Jumps


class PassedResults:
    """Judges each commit that the brokers of *cluster* store.

    :param skipped: the records that have no result, by partition and offset; more may be added.
    :ivar jumps: those of all members.
    :ivar written: the results of the transaction that is committed now, by partition: the offsets of their records.
    :ivar wrong: the first transaction that broke the rule, as a sentence; empty if none did.
    """

    def __init__(self, cluster: FakeCluster, skipped: set[tuple[int, int]]) -> None:
        self.jumps = Jumps()
        self.written: Mapping[int, Sequence[int]] = {}
        self.committing = ""
        self.wrong = ""
        self._cluster = cluster
        self._skipped = skipped
        self._ends: dict[TopicPartition, int] = defaultdict(int)
        self._unused: dict[tuple[str, TopicPartition], list[int]] = defaultdict(list)
        cluster.on_commit = self._commit

    def bounds_of(self, partition: TopicPartition) -> tuple[int, int]:
        """The first offset of *partition* that there is, and the end of its log."""
        log = self._cluster.logs[partition]
        return log.start, log.end

    def seeks(self, member: str, partition: TopicPartition, position: int, target: int) -> None:
        """Note that the program of *member* is about to jump in *partition* from *position* to *target*."""
        self.jumps.note(member, partition, position, target)
        self._unused[member, partition].append(target)

    def commits(self, member: str, results: Mapping[int, Sequence[int]]) -> None:
        """Note that *member* is about to commit a transaction with *results*: the offsets of their records."""
        self.committing, self.written = member, results

    def _commit(self, _: str, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """Judge a transaction, or a commit outside of one: that has no results."""
        for partition, committed in offsets.items():
            self._judge(partition, committed.offset, [*self.written.get(partition.partition, ())])
        self.committing, self.written = "", {}

    def _judge(self, partition: TopicPartition, end: int, results: list[int]) -> None:
        jumps, before = self._unused[self.committing, partition], self._ends[partition]
        # How many of its jumps the member had noticed when it chose these offsets is not known.
        for used, begin in enumerate(accumulate(jumps, min, initial=before)):
            if self._fits(partition, begin, end, results):
                del jumps[:used]
                break
        else:
            self.wrong = self.wrong or (
                f"{partition.partition}: a commit of {end} after {before} (jumps to {jumps}) has results of {results}"
            )
        self._ends[partition] = end

    def _fits(self, partition: TopicPartition, begin: int, end: int, results: list[int]) -> bool:
        offsets = [record.offset for record in self._cluster.logs[partition].records if begin <= record.offset < end]
        passed = [offset for offset in offsets if (partition.partition, offset) not in self._skipped]
        left_out = self.jumps.skipped
        needed = {offset for offset in passed if (partition, offset) not in left_out}
        # Those that a jump has left out may be there all the same: it may have come back since.
        return needed <= {*results} and results == [offset for offset in passed if offset in {*results}]
