"""Ties a map to the commit that it was written for: the *mark* behind it is a hash of the commit's place.

A map counts from the committed offset and does not name it, so it says something wrong once it stands beside another
one: in a commit that was moved by hand or by a tool that keeps metadata, such as MirrorMaker 2. The committed leader
epoch belongs to the place: who moves a commit to another log does not know the epoch there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from kafka import OffsetAndMetadata, TopicPartition

__all__ = ()


# see docs/decisions/0088-marked-offset-maps.md
def mark_of(partition: TopicPartition, commit: OffsetAndMetadata) -> bytes:
    """The mark of a map in *commit*: a hash (CRC-32) of topic, partition, offset and leader epoch, 4 bytes."""
    place = (partition.topic, partition.partition, commit.offset, commit.leader_epoch)
    return crc32("/".join(map(str, place)).encode()).to_bytes(4, "big")
