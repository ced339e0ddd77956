"""Makes records of a batch's bytes: in Python in a third of the client's time, and compiled in an eighth of it.

kafka-python calls a function per number (eight and more a record), copies each record over two objects and asks their
properties for values it has just put there. Here all numbers of one or two bytes are read in place, in one loop over
local variables. It is long for that reason only: a call per number costs as much as all the rest. Rare and broken input
is left to the client, so that there is one opinion about the error to raise.

This file is also the source of the distribution kafka-parallel-compiled, which mypyc compiles where kafka-parallel is
not installed: so the types of all that a batch holds are said here.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from kafka.consumer.fetcher import ConsumerRecord

from kafka_parallel import Decoded

if TYPE_CHECKING:
    from kafka_parallel import RawBatch


# see docs/decisions/0101-compiled-decoder-beside-the-pure-one.md
def decode(batch: RawBatch, position: int, most: int) -> Decoded:  # noqa: C901, PLR0912, PLR0915 - see the top
    """Decode at most *most* records of *batch* from *position* on; stop before a broken one."""
    data: bytes = batch.data
    topic: str = batch.topic
    partition: int = batch.partition
    epoch: int = batch.leader_epoch
    base_offset: int = batch.base_offset
    first_timestamp: int = batch.first_timestamp
    append_time: int | None = batch.append_time
    end = len(data)
    timestamp_type = 0 if append_time is None else 1
    new, kind = tuple.__new__, ConsumerRecord
    records: list[ConsumerRecord] = []
    total = 0
    with suppress(IndexError, ValueError):  # beyond the end; a number or a header's name that is none
        for _ in range(most):
            size = data[position]
            at = position + 1
            if size > 127:
                byte = data[at]
                at += 1
                if byte < 128:
                    size = size & 127 | byte << 7
                else:
                    size, at = _long(data, position)
            begin = at

            if data[at] > 127:  # the attributes, of which there are none yet
                break
            number = data[at + 1]
            at += 2
            if number > 127:
                byte = data[at]
                at += 1
                if byte < 128:
                    number = number & 127 | byte << 7
                else:
                    number, at = _long(data, at - 2)
            timestamp = first_timestamp + ((number >> 1) ^ -(number & 1)) if append_time is None else append_time

            number = data[at]
            at += 1
            if number > 127:
                byte = data[at]
                at += 1
                if byte < 128:
                    number = number & 127 | byte << 7
                else:
                    number, at = _long(data, at - 2)
            offset = base_offset + ((number >> 1) ^ -(number & 1))

            number = data[at]
            at += 1
            if number > 127:
                number, at = _long(data, at - 1)
            if number & 1:
                key, key_size = None, -1
            else:
                key_size = number >> 1
                key = data[at : at + key_size]
                at += key_size

            number = data[at]
            at += 1
            if number > 127:
                byte = data[at]
                at += 1
                if byte < 128:
                    number = number & 127 | byte << 7
                else:
                    number, at = _long(data, at - 2)
            if number & 1:
                value, value_size = None, -1
            else:
                value_size = number >> 1
                value = data[at : at + value_size]
                at += value_size

            number = data[at]
            at += 1
            headers: list[tuple[str, bytes | None]] = []
            header_size = -1
            if number:
                header_size, at = _read_headers(data, at, number, headers)

            # A length of 2n says n bytes; an odd one is negative, and differs from any 2n.
            if (at - begin) << 1 != size or at > end:
                break
            records.append(
                new(
                    kind,
                    (topic, partition, epoch, offset, timestamp, timestamp_type, key, value, headers, None,
                     key_size, value_size, header_size),
                )
            )  # fmt: skip
            total += size >> 1
            position = at
    return Decoded(records, position, total)


def _read_headers(data: bytes, at: int, number: int, headers: list[tuple[str, bytes | None]]) -> tuple[int, int]:
    """Append the headers to *headers*; *number* is the first byte of how many. Return their size and where they end.

    :raises ValueError: a number, a size or a name is none.
    :raises IndexError: they go on beyond the end of *data*.
    """
    if number > 127:
        number, at = _long(data, at - 1)
    if number & 1:
        raise ValueError(f"{number} stands for a negative number of headers")
    size = 0
    for _ in range(number >> 1):
        length = data[at]
        at += 1
        if length > 127:
            length, at = _long(data, at - 1)
        if length & 1:
            raise ValueError(f"{length} stands for a negative size of a name")
        length >>= 1
        name = data[at : at + length].decode()
        at += length
        size += length
        length = data[at]
        at += 1
        if length > 127:
            length, at = _long(data, at - 1)
        if length & 1:
            headers.append((name, None))
            continue
        length >>= 1
        headers.append((name, data[at : at + length]))
        at += length
        size += length
    return size, at


def _long(data: bytes, at: int) -> tuple[int, int]:
    """Read a number of any length as it stands there, its sign in the lowest bit; return where it ends.

    :raises ValueError: it has more than 64 bits.
    """
    number = shift = 0
    while shift < 64:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7
    raise ValueError(f"a number ends nowhere near {at}")
