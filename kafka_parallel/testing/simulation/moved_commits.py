"""The commits of the group that are moved by another program while the group has no member.

An administrator resets offsets, or a mirror stores translated ones: without metadata, or with that of the commit as it
was, which may hold a map of another place. The rule: records from the new offset on are handled again, whatever a map
says of them, and the first that no commit passes is the one at the new offset; records that the move leaves out need
not be handled. Nothing else may be lost.
"""

from __future__ import annotations

from kafka import OffsetAndMetadata, TopicPartition

from kafka_parallel.testing.fake import FakeCluster
from kafka_parallel.testing.simulation.checker import Checker
from kafka_parallel.testing.simulation.world import World

# How far a commit is moved at most, in offsets, if not to an end of the log.
FARTHEST = 6


class Mover:
    """Moves commits of one topic and group.

    :param checker: hears of each move.
    """

    def __init__(self, world: World, cluster: FakeCluster, checker: Checker, topic: str, group: str) -> None:
        self._world = world
        self._cluster = cluster
        self._checker = checker
        self._topic = topic
        self._group = group

    def move(self) -> None:
        """Move the commits of some partitions."""
        for partition, committed in sorted(self._cluster.group(self._group).committed.items()):
            if partition.topic == self._topic and self._world.random.random() < 0.7:
                self._move(partition, committed)

    def _move(self, partition: TopicPartition, committed: OffsetAndMetadata) -> None:
        chance, (start, end) = self._world.random, self._checker.bounds_of(partition)
        start = max(start, self._checker.starts.get(partition) or 0)
        first, last = max(start, committed.offset - FARTHEST), min(end, committed.offset + FARTHEST)
        target = chance.choice([start, end, *[chance.randint(min(first, last), last)] * 6])
        if target == committed.offset:
            return  # the map beside it is right
        kept = committed._replace(offset=target)
        moved = chance.choice([kept, kept._replace(leader_epoch=-1), OffsetAndMetadata(target, "", -1)])
        self._world.note(f"the commit of {partition.partition} is moved from {committed.offset} to {moved}")
        self._checker.moved(partition, target)
        self._cluster.group(self._group).commit({partition: moved})
