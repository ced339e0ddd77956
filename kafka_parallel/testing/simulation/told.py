"""The records that commits tell to be finished above their offsets, by the plugin ``offset-map``: true, and remembered.

A crash repeats only what the last stored commit does not tell, so what is told excuses no repeat. There is one
exception. A map counts for the committed record alone: if there is none at that offset, the next owner drops the map.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition

from kafka_parallel._core.offset_ranges import OffsetRanges
from kafka_parallel.testing.simulation.calls import Place


class ToldFinished:
    """Judges each commit that is stored.

    :param done: the records that are done.
    :param read: returns the records of a partition that consumers get, from an offset on; none that a jump has passed.
    :param has_record: tells whether there is a record at an offset, for a consumer that begins there.
    :param violate: is called with what is wrong.
    :ivar is_exact: whether everything that a commit told must be told by each later commit below it; false if something
        may happen for which maps are dropped.
    """

    def __init__(
        self,
        done: Collection[Place],
        read: Callable[[TopicPartition, int], list[Any]],
        has_record: Callable[[TopicPartition, int], bool],
        violate: Callable[[str], object],
    ) -> None:
        self.is_exact = False
        self._done = done
        self._read = read
        self._has_record = has_record
        self._violate = violate
        self._told: dict[TopicPartition, tuple[int, OffsetRanges]] = {}
        self._known: dict[tuple[str, TopicPartition], OffsetRanges] = {}

    def commit(self, partition: TopicPartition, committed: OffsetAndMetadata) -> None:
        """Note that *committed* is stored."""
        told = told_by(partition, committed)
        for record in self._read(partition, committed.offset):
            if record.offset in told and (partition, record.offset) not in self._done:
                self._violate(f"{partition}: @{record.offset} was told to be finished, and is not")
        if self.is_exact and (missing := self._forgotten(partition, committed.offset, told)):
            self._violate(f"{partition}: {missing} were told to be finished, and the next commit does not tell it")
        self._told[partition] = committed.offset, told

    def moved(self, partition: TopicPartition, offset: int) -> None:
        """Note that another program has stored *offset*: the map beside it, if there is one, counts no more."""
        self._told[partition] = offset, OffsetRanges()

    def _forgotten(self, partition: TopicPartition, offset: int, told: OffsetRanges) -> list[int]:
        above = (record.offset for record in self._read(partition, offset + 1))
        return [one for one in above if one not in told and self.is_told((partition, one))]

    def assigned(self, instance: str, partitions: Collection[TopicPartition]) -> None:
        """Note that *instance* got *partitions*: it knows from now on what is told of them."""
        for partition in partitions:
            base, told = self._told.get(partition, (0, OffsetRanges()))
            self._known[instance, partition] = told if self._has_record(partition, base) else OffsetRanges()

    def jumped(self, instance: str, partition: TopicPartition) -> None:
        """Note that *instance* jumps in *partition*: it drops what it knows."""
        self._known.pop((instance, partition), None)

    def is_known(self, instance: str, place: Place) -> bool:
        """Tell whether *instance* knows that the record is finished, of the last commit or of one before it began."""
        return self.is_told(place) or place[1] in self._known.get((instance, place[0]), ())

    def at_or_above(self, partition: TopicPartition, offset: int) -> list[int]:
        """The records of *partition* from *offset* on that the last stored commit tells to be finished."""
        _, told = self._told.get(partition, (0, OffsetRanges()))
        return [one.offset for one in self._read(partition, offset) if one.offset in told] if told else []

    def is_told(self, place: Place) -> bool:
        """Tell whether the last stored commit says that the record is finished, to owners that will believe it."""
        partition, offset = place
        base, told = self._told.get(partition, (0, OffsetRanges()))
        return offset in told and self._has_record(partition, base)


def told_by(partition: TopicPartition, committed: OffsetAndMetadata) -> OffsetRanges:
    """The offsets that *committed* tells to be finished above its own."""
    if not committed.metadata:
        return OffsetRanges()
    told = _reader().on_assign({partition: committed})
    return OffsetRanges((found.start, found.stop) for found in told.get(partition, ()))


@cache
def _reader() -> Any:
    (found,) = entry_points(group="kafka_parallel", name="offset-map")
    return found.load()()
