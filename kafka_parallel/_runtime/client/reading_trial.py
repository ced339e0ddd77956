"""Does a changed class for the fetched data of a partition read as the client's own class does?

Both read the same small logs, which hold one of each thing that a broker hands out. Their records, positions, errors
and all other attributes are compared after each step, so an attribute that a newer client has added is compared too.
No version is asked for: a client whose code moved differs here, or cannot be tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from kafka import TopicPartition

from kafka_parallel._showing import described

PARTITION = TopicPartition("kafka-parallel-trial", 3)
TAKES = (1, 2, None, None)
# Of an unfinished batch: the client counts per record, a decoder per slice.
COUNTS = ("records_read", "bytes_read")
TRANSACTIONAL, CONTROL, APPEND_TIME = 16, 32, 8
GZIP = 1


class Aborted(NamedTuple):
    """An aborted transaction as a fetch response tells it; 2.x reads it as a tuple, 3.x by its names."""

    producer_id: int
    first_offset: int


class Log(NamedTuple):
    """Bytes of a partition, and how they are read.

    :ivar name: the thing that they hold.
    :ivar is_broken: whether the client raises for them.
    """

    name: str
    data: bytes
    fetch_offset: int = 0
    options: dict[str, Any] = {}  # noqa: RUF012 - never changed
    is_broken: bool = False


# see docs/decisions/0102-decoder-trial-by-behaviour.md
def difference(client: Any, changed: Any, *, broken: bool) -> str:
    """Tell where *changed* does not read as *client* does, both classes like ``Fetcher.PartitionRecords``.

    :param broken: whether to read broken logs, and those only.
    """
    try:
        found = [log for log in logs() if log.is_broken == broken]
    except Exception as error:  # noqa: BLE001 - of an unknown client
        return f"no batch to try it on can be built: {described(error)}"
    for log in found:
        expected = _story(client, log)
        if not broken and any(isinstance(told, str) for told in expected):
            return f"{log.name}: it cannot be tried, kafka-python says {expected[-1]}"
        if problem := _first_difference(expected, _story(changed, log)):
            return f"{log.name}: {problem}"
    return ""


def types_of(record: Any) -> tuple[Any, ...]:
    """The types of *record*, of its fields and of its headers' parts: a memoryview equals the bytes that it shows."""
    headers = record.headers
    parts = tuple(tuple(map(type, header)) for header in headers) if type(headers) is list else ()
    return (type(record), *map(type, record), *parts)


def _story(kind: Any, log: Log) -> list[Any]:
    """The records of *log* and the state of their reader, take by take, up to its end or the first error."""
    from kafka.record.memory_records import MemoryRecords

    told: list[Any] = []
    try:
        part = kind(log.fetch_offset, PARTITION, MemoryRecords(log.data), **log.options)
        for most in TAKES:
            if not part:
                break
            records = part.take(most)
            told += [records, _state(part), tuple(map(types_of, records))]
    except Exception as error:  # noqa: BLE001 - it is compared
        told.append(described(error))
    return told


def _state(part: Any) -> dict[str, Any]:
    """All that *part* knows, but for its generators and functions."""
    passed_over = COUNTS if part else ()
    return {
        name: described(value) if isinstance(value, Exception) else value
        for name, value in vars(part).items()
        if name not in passed_over and not callable(value) and not isinstance(value, Iterator)
    }


def _first_difference(expected: list[Any], found: list[Any]) -> str:
    for theirs, ours in zip(expected, found, strict=False):
        if theirs != ours:
            if isinstance(theirs, dict) and isinstance(ours, dict):
                names = [name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name)]
                theirs, ours = ({name: state.get(name) for name in names} for state in (theirs, ours))  # noqa: PLW2901
            return f"expected {theirs}, got {ours}"
    return "" if len(expected) == len(found) else f"expected {len(expected)} steps, got {len(found)}"


@cache
def logs() -> tuple[Log, ...]:
    """One log for each thing that a broker hands out; they are built by the client, and completed as brokers do."""
    plain, late = _batch(0, epoch=3), _batch(4, epoch=5)
    compacted = _batch(4, last_delta=9) + _batch(14)
    pieces = [
        _batch(0, TRANSACTIONAL, producer=7),
        _batch(4, TRANSACTIONAL, producer=8),
        _batch(8, TRANSACTIONAL | CONTROL, producer=7, values=[b"\0\0\0\0"]),
        _batch(9, TRANSACTIONAL | CONTROL, producer=8, values=[b"\0\0\0\1"]),
        _batch(10, TRANSACTIONAL, producer=7),
    ]
    committed: dict[str, Any] = {"isolation_level": 1, "aborted_transactions": [Aborted(7, 0)]}
    return (
        Log("two leaders", plain + late),
        Log("a position within a batch", plain + late, fetch_offset=2),
        Log("compression", _batch(0, codec=GZIP) + late),
        Log("a compacted batch", plain + compacted),
        Log("the broker's time", _batch(0, APPEND_TIME) + late),
        Log("transactions", b"".join(pieces), options=committed),
        Log("uncommitted transactions", b"".join(pieces)),
        Log("unchecked", plain + _damaged(late, 17), options={"check_crcs": False}),
        Log("message format 1", _old(1)),
        Log("message format 0", _old(0)),
        Log("the end is missing", plain + late[:-1]),
        Log("a wrong checksum", plain + _damaged(late, 17), is_broken=True),
        Log("a header that is not UTF-8", plain + _signed(late.replace(b"header", b"\xffeader")), is_broken=True),
    )


def _batch(
    base_offset: int,
    attributes: int = 0,
    *,
    epoch: int = 0,
    producer: int = -1,
    codec: int = 0,
    last_delta: int = 0,
    values: tuple[bytes | None, ...] | list[bytes] = (b"", b"v" * 200, b"value", None),
) -> bytes:
    """A batch of message format 2."""
    data = bytearray(_built(2, codec, [*values]))
    data[0:8] = base_offset.to_bytes(8, "big")
    data[12:16] = epoch.to_bytes(4, "big")
    data[22] |= attributes
    if last_delta:
        data[23:27] = last_delta.to_bytes(4, "big")
    data[43:51] = producer.to_bytes(8, "big", signed=True)
    return _signed(bytes(data))


def _old(magic: int) -> bytes:
    return _built(magic, 0, [b"", b"value", None])


def _built(magic: int, codec: int, values: list[bytes | None]) -> bytes:
    from kafka.record.memory_records import MemoryRecordsBuilder

    builder = MemoryRecordsBuilder(magic, codec, 1 << 16)
    headers = [("header", b"1"), ("none", None)] if magic == 2 else []
    for number, value in enumerate(values):
        key = b"key" if number % 2 else value
        builder.append(10**12 - 100 * number, key, value, headers[: len(values) - number - 1])
    builder.close()
    return bytes(builder.buffer())


def _signed(data: bytes) -> bytes:
    from kafka.record.util import calc_crc32c

    checksum: int = calc_crc32c(memoryview(data)[21:])
    return data[:17] + checksum.to_bytes(4, "big") + data[21:]


def _damaged(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
