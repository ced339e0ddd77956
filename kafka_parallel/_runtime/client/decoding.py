"""The part of decoding that stays with the client when a plugin decodes.

The class that stands in for the client's (see ``fetcher_patch.py``) is the client's own but for how it goes through the
batches. Batches, CRCs, compression, transactions, positions and the handling of errors are still the client's; so is
every record that the decoder leaves, and the whole of message formats 0 and 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import kafka
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import CorruptRecordError

from kafka_parallel._runtime.client import fetcher_patch
from kafka_parallel._runtime.client.decoder_check import DecoderCheck, OnTrial, difference, misshapen
from kafka_parallel._runtime.client.replaced_code import replaced_function
from kafka_parallel._showing import described
from kafka_parallel.decoders import Decoded, RawBatch

if TYPE_CHECKING:
    from kafka import TopicPartition

    from kafka_parallel.decoders import Decoder

# The most records that are decoded ahead of poll(): a compressed batch can hold a million.
SLICE_RECORDS = 500
READ_COMMITTED = 1


class DecodedRecords(fetcher_patch.StandIn):
    """The base class before the client's ``PartitionRecords`` in a class made of both.

    :ivar check: whether the decoder is to be asked, and its records to be compared.
    """

    replaces = ("take", "_unpack_records")
    decode: Decoder
    check: OnTrial

    def take(self: Any, n: int | None = None) -> list[ConsumerRecord]:
        """Do as the client does; if that ends within a chunk, the position is behind the last record of it."""
        records: list[ConsumerRecord] = super().take(n)  # type: ignore[misc]
        if records and len(records) == n:
            self.next_fetch_offset = records[-1].offset + 1
        return records

    def _unpack_records(
        self: Any,
        tp: TopicPartition,
        records: Any,
        key_deserializer: None,  # noqa: ARG002
        value_deserializer: None,  # noqa: ARG002
    ) -> Iterator[ConsumerRecord]:
        return chain.from_iterable(self._chunks(tp, records))  # a generator of records costs a seventh of decoding

    def _chunks(self: Any, tp: TopicPartition, records: Any) -> Iterator[list[ConsumerRecord]]:
        """The records of all batches, never an empty list; the position follows when the next one is asked for."""
        last = None
        while (batch := records.next_batch()) is not None:
            last = batch
            if self._is_passed_over(batch):
                self.next_fetch_offset = batch.next_offset
                continue
            for chunk in self._decoded(tp, batch):
                yield chunk
                self.next_fetch_offset = chunk[-1].offset + 1
        if last is not None and last.magic == 2:
            self.next_fetch_offset = last.next_offset
        self.drain()

    def _is_passed_over(self: Any, batch: Any) -> bool:
        """Check *batch*, and tell whether no record of it is for the user: of an aborted transaction, or a marker."""
        if self.check_crcs and not batch.validate_crc():
            raise CorruptRecordError(
                f"Record batch for partition {self.topic_partition} at offset {batch.base_offset} failed crc check"
            )
        if batch.magic != 2:
            return False
        self.leader_epoch = batch.leader_epoch
        return bool(self._is_aborted(batch) or batch.is_control_batch)

    def _is_aborted(self: Any, batch: Any) -> bool:
        """Tell whether *batch* belongs to an aborted transaction, in the order of the log: each marker ends one."""
        if self.isolation_level != READ_COMMITTED or not batch.has_producer_id():
            return False
        self._consume_aborted_transactions_up_to(batch.last_offset)
        if self._contains_abort_marker(batch):
            self.aborted_producer_ids.discard(batch.producer_id)
            return False
        return bool(self._is_batch_aborted(batch))

    def _decoded(self: Any, tp: TopicPartition, batch: Any) -> Iterator[list[ConsumerRecord]]:
        """Yield the plugin's records first, then the rest; the client's iterator also checks that none is left."""
        if batch.magic == 2:
            yield from self._by_plugin(tp, batch)
        for record in batch:
            yield [self._by_client(tp, record)]

    def _by_plugin(self: Any, tp: TopicPartition, batch: Any) -> Iterator[list[ConsumerRecord]]:
        """Yield the plugin's records slice by slice; from the first slice that differs on, the rest is the client's."""
        iter(batch)  # this uncompresses it
        raw = RawBatch(
            tp.topic,
            tp.partition,
            batch.leader_epoch,
            batch.base_offset,
            batch.first_timestamp,
            batch.max_timestamp if batch.timestamp_type else None,
            bytes(batch._buffer),
        )
        while self.check.is_trusted and (left := batch.records_count - batch._next_record_index) > 0:
            found = self._asked(raw, batch._pos, min(left, SLICE_RECORDS))
            if not found.records:
                return
            if self.check.is_due():
                yield from self._compared(tp, batch, raw, found)
                continue
            batch._pos = found.position
            batch._next_record_index += len(found.records)
            self._count(len(found.records), found.size)
            yield found.records

    def _asked(self: Any, raw: RawBatch, position: int, most: int) -> Decoded:
        """Ask the plugin; an error or an odd answer is its fault, and no record's: the client goes on."""
        try:
            found = self.decode(raw, position, most)
            problem = misshapen(found, position, most, len(raw.data))
        except Exception as error:  # noqa: BLE001 - a plugin's code; the log tells of it
            problem = f"it failed with {described(error)}"
        if problem:
            self.check.distrust(raw, self.next_fetch_offset, problem)
            return Decoded([], position, 0)
        return found  # type: ignore[no-any-return]

    def _compared(
        self: Any, tp: TopicPartition, batch: Any, raw: RawBatch, found: Decoded
    ) -> Iterator[list[ConsumerRecord]]:
        """Yield the client's records instead of those *found*, and compare them."""
        expected: list[ConsumerRecord] = []
        try:
            for record in islice(batch, len(found.records)):
                expected.append(self._by_client(tp, record))  # noqa: PERF401 - those before an error are kept
        except Exception:  # of a broken record, which the plugin has not left to the client
            self.check.distrust(raw, self.next_fetch_offset, "it made a record of bytes that kafka-python calls broken")
            if expected:
                yield expected
            raise
        if problem := difference(expected, batch._pos, found):
            self.check.distrust(raw, expected[0].offset if expected else self.next_fetch_offset, problem)
        yield expected

    def _by_client(self: Any, tp: TopicPartition, record: Any) -> ConsumerRecord:
        if self.check_crcs and not record.validate_crc():
            raise CorruptRecordError(
                f"Record for partition {self.topic_partition} at offset {record.offset} failed crc check"
            )
        self._count(1, record.size_in_bytes)
        header_size = sum(len(name.encode()) + len(value or b"") for name, value in record.headers)
        return ConsumerRecord(
            *tp, self.leader_epoch, record.offset, record.timestamp, record.timestamp_type,
            record.key, record.value, record.headers, record.checksum,
            -1 if record.key is None else len(record.key),
            -1 if record.value is None else len(record.value),
            header_size if record.headers else -1,
        )  # fmt: skip

    def _count(self: Any, records: int, size: int) -> None:
        """For the client's metrics."""
        self.records_read += records
        self.bytes_read += size


def put(decoder: Decoder, fetcher: Any, name: str) -> str:
    """Let *fetcher* decode with *decoder*, or leave it as it is and return why.

    :param name: the decoder and its plugin, as the log names them.
    """
    asked: list[RawBatch] = []

    def noting(batch: RawBatch, position: int, most: int) -> Decoded:
        asked.append(batch)
        return decoder(batch, position, most)

    if problem := fetcher_patch.put(fetcher, DecodedRecords, decode=staticmethod(noting), check=OnTrial()):
        return problem
    if not asked:
        fetcher_patch.remove_last(fetcher)
        return f"kafka-python {kafka.__version__} reads batches in another way, and did not ask it"
    if name_of_theirs := replaced_function(fetcher_patch.clients_class(fetcher)):
        fetcher_patch.remove_last(fetcher)
        return f"{name_of_theirs} is not kafka-python's own code, and a decoder would pass it over"
    fetcher.PartitionRecords.decode, fetcher.PartitionRecords.check = staticmethod(decoder), DecoderCheck(name)
    return ""
