"""Batches as brokers hand them out, and the records made of them by the client's own decoder and by another one."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import hypothesis.strategies as st
from kafka import TopicPartition
from kafka import errors as kafka_errors
from kafka.consumer.fetcher import Fetcher
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder
from kafka.record.util import calc_crc32c

from kafka_parallel._runtime.client.decoder_check import OnTrial
from kafka_parallel._runtime.client.decoding import DecodedRecords
from kafka_parallel._runtime.client.rebalance_listener import KAFKA_PYTHON_3

PARTITION = TopicPartition("orders", 3)
CLIENT = Fetcher.PartitionRecords
HEADER = DefaultRecordBatch.HEADER_STRUCT.size

binaries = st.one_of(st.none(), st.binary(max_size=9), st.binary(min_size=60, max_size=70), st.just(b"x" * 8200))
headers = st.lists(st.tuples(st.text(max_size=70), binaries), max_size=3)
# Differences of one byte, two, and more, in both directions.
timestamps = st.integers(-(10**6), 10**6).map(lambda number: 10**12 + number) | st.integers(0, 100)


@dataclass
class Batch:
    """One batch to be built.

    :ivar gaps: how many offsets are missing before each record, as after compaction.
    :ivar producer: an id and whether it is transactional; a negative id is none.
    """

    records: list[tuple[int, int, bytes | None, bytes | None, list]]
    codec: int = 0
    epoch: int = 0
    append_time: int | None = None
    producer: tuple[int, bool] = (-1, False)
    magic: int = 2

    def build(self, base_offset: int) -> bytearray:
        """The bytes, and as the broker completes them: offset, epoch and append time."""
        (pid, transactional) = self.producer
        state = {"producer_id": pid, "producer_epoch": 0, "base_sequence": 0} if pid >= 0 else {}
        first = 0 if self.magic == 2 else base_offset
        builder = MemoryRecordsBuilder(self.magic, self.codec, 1 << 20, first, transactional=transactional, **state)
        for gap, timestamp, key, value, found in self.records:
            builder.skip(gap)
            builder.append(timestamp, key, value, found)
        builder.close()
        data = bytearray(builder.buffer())
        if self.magic == 2:
            data = self._completed(data, base_offset)
        return data

    def _completed(self, data: bytearray, base_offset: int) -> bytearray:
        struct.pack_into(">q", data, 0, base_offset)
        struct.pack_into(">i", data, 12, self.epoch)
        if self.append_time is not None:
            (attributes,) = struct.unpack_from(">h", data, 21)
            struct.pack_into(">h", data, 21, attributes | 8)
            struct.pack_into(">q", data, 35, self.append_time)
        return signed(data)


def reading_with(decode: Any) -> type:
    """The client's class of fetched data, with the decoder *decode*."""
    return type("PartitionRecords", (DecodedRecords, CLIENT), {"decode": staticmethod(decode), "check": OnTrial()})


def signed(data: bytearray) -> bytearray:
    """Put the right CRC into a batch that was changed."""
    struct.pack_into(">I", data, 17, calc_crc32c(memoryview(data)[21:]))
    return data


def marker(base_offset: int, pid: int, *, is_commit: bool) -> bytearray:
    """The control batch that ends a transaction."""
    data = Batch([(0, 10**12, struct.pack(">hh", 0, int(is_commit)), b"", [])], producer=(pid, True)).build(base_offset)
    (attributes,) = struct.unpack_from(">h", data, 21)
    struct.pack_into(">h", data, 21, attributes | 32)
    return signed(data)


def aborted(*found: tuple[int, int]) -> list:
    """Aborted transactions as a fetch response tells them: producer ids and first offsets."""
    if not KAFKA_PYTHON_3:
        return list(found)
    from kafka.protocol.consumer import FetchResponse

    kind = FetchResponse.FetchableTopicResponse.PartitionData.AbortedTransaction
    return [kind(producer_id=pid, first_offset=offset) for pid, offset in found]


def story(kind: Any, data: bytes, takes: list[int], fetch_offset: int = 0, **options: Any) -> list:
    """The records of a partition's data, poll by poll, up to its end or the first error."""
    drained: list = []
    try:
        part = kind(fetch_offset, PARTITION, MemoryRecords(data), on_drain=lambda _: drained.append(True), **options)
    except Exception as error:
        return [said(error)]
    told: list = []
    for most in [*takes, None, None]:
        if not part:
            break
        try:
            told.append(part.take(most))
        except Exception as error:
            told.append(said(error))
            break
        told.append((part.next_fetch_offset, part.leader_epoch, bool(part), len(drained)))
    told.append((part.next_fetch_offset, part.leader_epoch, bool(part), len(drained)))
    if not part:
        told.append((part.records_read, part.bytes_read))
    return told


def said(error: Exception) -> Any:
    """An error, to be compared: kafka-python's with its message."""
    ours = isinstance(error, kafka_errors.KafkaError)
    return type(error), str(error) if ours else ""
