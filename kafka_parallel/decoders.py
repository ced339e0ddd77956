"""The data and the answer of a decoder: a batch of records, and the records it made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord

__all__ = ["Decoded", "Decoder", "RawBatch"]


@dataclass(frozen=True)
class RawBatch:
    """A record batch of Kafka's message format 2, checked and uncompressed.

    :ivar topic: the topic of the batch.
    :ivar partition: its partition.
    :ivar data: bytes that hold the records one behind the other, up to their end.
    :ivar leader_epoch: of the leader that wrote the batch; of all its records.
    :ivar base_offset: the offset that those of the records are relative to.
    :ivar first_timestamp: the timestamp that those of the records are relative to, in milliseconds since 1970 UTC.
    :ivar append_time: the timestamp of all records if the broker set it (type 1), in the same unit; ``None`` if each
        has its producer's (type 0).
    """

    topic: str
    partition: int
    leader_epoch: int
    base_offset: int
    first_timestamp: int
    append_time: int | None
    data: bytes


class Decoded(NamedTuple):
    """The records that a decoder made of a part of a batch.

    :ivar records: one behind the other, with their keys, values and header values as bytes.
    :ivar position: where in the data of the batch the record behind the last of them begins.
    :ivar size: the lengths that the records say they have, added up.
    """

    records: list[ConsumerRecord]
    position: int
    size: int


class Decoder(Protocol):
    """Makes of bytes the ``ConsumerRecord`` objects that kafka-python would make."""

    def __call__(self, batch: RawBatch, position: int, most: int, /) -> Decoded:
        """Decode up to *most* records of *batch* from *position* on; the batch holds at least that many.

        It stops before a record that is broken or that it does not know: the client goes on from there, with the error
        that it always had for it. If it raises an ``Exception``, or returns anything that cannot be the
        answer, the client decodes this record and all that follow. Called on the thread that polls, never by two at
        once for the same consumer.
        """
