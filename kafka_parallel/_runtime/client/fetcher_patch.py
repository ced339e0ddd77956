"""Replaces the fetcher's ``PartitionRecords`` class, which holds the fetched data of a partition, with a subclass, on
one consumer only.

Its fetcher makes ``self.PartitionRecords(...)``, in 2.2.9 to 3.0.12 alike. So an attribute of that name on one fetcher
is enough, and no module is patched. The replacement is the client's own class with a few methods of ours before it.
"""

from __future__ import annotations

from typing import Any

import kafka
from kafka import TopicPartition
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

NAME = "PartitionRecords"
# Whose class was read to the end, by the first two numbers of the version.
KNOWN = ("2.2", "2.3", "3.0")


class StandIn:
    """The base class before the client's class in one made of both."""


# see docs/decisions/0042-decoder-on-one-object.md
def put(fetcher: Any, kind: type[StandIn], **attributes: Any) -> str:
    """Replace the fetcher's class NAME by a subclass with *kind* as its first base, or return the reason not to."""
    if not kafka.__version__.startswith(tuple(f"{known}." for known in KNOWN)):
        return f"kafka-python {kafka.__version__} is not known to read batches as {', '.join(KNOWN)} do"
    base = getattr(fetcher, NAME, None)
    if base is None or (NAME in vars(fetcher) and not issubclass(base, StandIn)):
        return f"{type(fetcher).__module__}.{type(fetcher).__qualname__} has no {NAME} of kafka-python's"
    changed = type(NAME, (kind, base), attributes)
    if problem := _difference(base, changed):
        return f"its records differ from those of kafka-python {kafka.__version__} ({problem})"
    setattr(fetcher, NAME, changed)
    return ""


def remove(fetcher: Any) -> None:
    """Let *fetcher* use the client's class again."""
    if issubclass(vars(fetcher).get(NAME, object), StandIn):
        delattr(fetcher, NAME)


def _difference(base: Any, changed: Any) -> str:
    """Try both on a batch that the client wrote itself; it is cheaper to find out now than to guess from a version."""
    batch = _probe()
    expected, found = _outcome(base, batch), _outcome(changed, batch)
    return "" if expected == found else f"expected {expected}, got {found}"


def _outcome(made: Any, batch: bytes) -> Any:
    try:
        part = made(1, TopicPartition("kafka-parallel-probe", 3), MemoryRecords(batch))
        return part.take(), part.next_fetch_offset, part.leader_epoch, part.bytes_read, part.records_read, bool(part)
    except Exception as error:  # noqa: BLE001 - an unknown client, or a plugin's code
        return repr(error)


def _probe() -> bytes:
    builder = MemoryRecordsBuilder(magic=2, compression_type=0, batch_size=1 << 16)
    for number in range(3):
        builder.append(10**12 + 100 * number, b"key", b"v" * 100 * number, [("header", b"1"), ("none", None)])
    builder.append(10**12, None, None, [])
    builder.close()
    return bytes(builder.buffer())
