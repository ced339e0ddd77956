"""Ties a map to the commit that it was written for: the *mark* behind it is a hash of the commit's place.

A map counts from the committed offset and does not name it, so it says something wrong once it stands beside another
one: in a commit that was moved by hand or by a tool that keeps metadata, such as MirrorMaker 2. The committed leader
epoch belongs to the place: who moves a commit to another log does not know the epoch there.

kafka-python 2.x forgets the epoch of a commit that it reads. So there the mark is made without it, and every version
accepts such a mark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

import kafka

if TYPE_CHECKING:
    from kafka import OffsetAndMetadata, TopicPartition

__all__ = ()

READS_EPOCHS = int(kafka.__version__.partition(".")[0]) >= 3
UNKNOWN = -1


# see docs/decisions/0088-marked-offset-maps.md
def mark_of(partition: TopicPartition, commit: OffsetAndMetadata) -> bytes:
    """The mark of a map that is written into *commit*, 4 bytes."""
    return _hash(partition, commit.offset, commit.leader_epoch if READS_EPOCHS else UNKNOWN)


def is_of(mark: bytes, partition: TopicPartition, commit: OffsetAndMetadata) -> bool:
    """Tell whether *mark*, or the begin of one, is that of a map that was written into *commit*."""
    return any(_hash(partition, commit.offset, epoch).startswith(mark) for epoch in (commit.leader_epoch, UNKNOWN))


def _hash(partition: TopicPartition, offset: int, leader_epoch: int) -> bytes:
    """CRC-32 of topic, partition, offset and leader epoch."""
    place = (partition.topic, partition.partition, offset, leader_epoch)
    return crc32("/".join(map(str, place)).encode()).to_bytes(4, "big")
