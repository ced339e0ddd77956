"""The records that have to be handled although they may have been finished before: behind a jump of the application,
or where another program has moved the commit of the group.

The rule: once the run has noticed a jump, and while the partition stays, no commit may pass a record from the target
on, or tell that it is finished, before a handler has begun with it again. It does not matter what an earlier commit, or
the map beside it, says of the record. A partition that leaves ends this: a jump that no commit tells is not handed on.
After a move it holds from the start, for all members.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition

from kafka_parallel._core.offset_ranges import OffsetRanges
from kafka_parallel.testing.simulation.calls import Place

# A jump is noticed within so many polls and seconds: positions are looked at now and then.
POLLS, SECONDS = 3, 0.3


@dataclass
class Wish:
    """The records of one partition that an instance has to begin with.

    :ivar places: those with which it has not begun yet, since the latest jump.
    :ivar poll: the number of the poll before that jump.
    :ivar time: when it was, in seconds of the world.
    """

    places: set[Place] = field(default_factory=set)
    poll: int = 0
    time: float = 0.0


class WantedAgain:
    """The wishes of all instances.

    :param read: returns the records of a partition that consumers get, from an offset on; none that a jump has passed.
    :param told_by: returns the offsets that a commit tells to be finished above its own.
    :param violate: is called with what is wrong.
    """

    def __init__(
        self,
        read: Callable[[TopicPartition, int], list[Any]],
        told_by: Callable[[TopicPartition, OffsetAndMetadata], OffsetRanges],
        violate: Callable[[str], object],
    ) -> None:
        self._read = read
        self._told_by = told_by
        self._violate = violate
        self._wishes: dict[tuple[str, TopicPartition], Wish] = {}
        self._polls: dict[str, int] = {}
        self._of_group: dict[TopicPartition, set[Place]] = {}

    def polls(self, instance: str) -> None:
        """Note that *instance* polls."""
        self._polls[instance] = self._polls.get(instance, 0) + 1

    def jumps(self, instance: str, partition: TopicPartition, target: int, now: float) -> None:
        """Note that the application of *instance* jumps to *target* of *partition*, *now*."""
        wish = self._wishes.setdefault((instance, partition), Wish())
        below = {place for place in wish.places if place[1] < target}  # taken before, and kept
        wish.places = below | {(partition, record.offset) for record in self._read(partition, target)}
        wish.poll, wish.time = self._polls.get(instance, 0), now

    def moved(self, partition: TopicPartition, offset: int) -> None:
        """Note that another program has moved the commit of *partition* to *offset*, while the group had no member."""
        self._of_group[partition] = {(partition, record.offset) for record in self._read(partition, offset)}

    def was_reset(self, partition: TopicPartition, offset: int) -> None:
        """Note that a member was sent to *offset* of *partition*: what is below it does not come."""
        wished = [wish.places for (_, wished), wish in self._wishes.items() if wished == partition]
        for places in (*wished, self._of_group.get(partition, set())):
            places.difference_update([place for place in places if place[1] < offset])

    def begins(self, instance: str, place: Place) -> None:
        """Note that *instance* begins with a record, or is done with it without a handler."""
        if wish := self._wishes.get((instance, place[0])):
            wish.places.discard(place)
        self._of_group.get(place[0], set()).discard(place)

    def ends(self, instance: str, partitions: Collection[TopicPartition]) -> None:
        """Note that *instance* has *partitions* anew, or not any more."""
        for partition in partitions:
            self._wishes.pop((instance, partition), None)

    def commits(self, instance: str, offsets: Mapping[TopicPartition, OffsetAndMetadata], now: float) -> None:
        """Judge a commit that *instance* sends *now*."""
        for partition, committed in offsets.items():
            wish = self._wishes.get((instance, partition))
            if wish and wish.places and self._is_noticed(instance, wish, now):
                self._judge(instance, partition, committed, wish.places)
            if moved := self._of_group.get(partition):
                self._judge(instance, partition, committed, moved)

    def _is_noticed(self, instance: str, wish: Wish, now: float) -> bool:
        return self._polls.get(instance, 0) - wish.poll >= POLLS and now - wish.time > SECONDS

    def _judge(
        self, instance: str, partition: TopicPartition, committed: OffsetAndMetadata, wanted: set[Place]
    ) -> None:
        told = self._told_by(partition, committed)
        lowest = min(offset for _, offset in wanted)
        for record in self._read(partition, lowest):
            # A commit below all of them does not hand the jump on: from there the records were finished once before.
            is_told = record.offset < committed.offset or (lowest <= committed.offset and record.offset in told)
            if is_told and (partition, record.offset) in wanted:
                self._violate(
                    f"{instance} commits {committed.offset} of {partition}, which finishes @{record.offset}: it was "
                    "not handled again after a jump, or a move of the commit, to it or before it"
                )
