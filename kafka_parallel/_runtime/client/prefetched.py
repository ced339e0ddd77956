"""Records that the client has parsed beyond the result of its poll(): how it fetches them again, or hands them out.

A fetch is parsed with the deserialisers of that moment. ``seek()`` to the position where the client is drops nothing of
it: 2.x and 3.x hand parsed records out wherever their next offset is the position. So they are drained. The position is
behind the records that were returned, and the client fetches from there.
"""

from __future__ import annotations

from typing import Any


def forget_parsed(fetcher: Any) -> None:
    """Let *fetcher* fetch its parsed records again; used by the thread that polls, between polls."""
    parked = getattr(fetcher, "_paused_partition_records", {})  # 3.x: of partitions that are paused
    for part in (getattr(fetcher, "_next_partition_records", None), *parked.values()):
        if part:
            part.drain()
    parked.clear()
    for name in ("_next_partition_records", "_next_in_line_exception_metadata"):  # the second: the error of parsing
        if hasattr(fetcher, name):
            setattr(fetcher, name, None)


def free_parking(fetcher: Any) -> None:
    """Let 3.x take up records again that it parked for a paused partition.

    It does so only while its slot for the current batch is ``None``, but a batch that was read to its end stays in the
    slot: in 3.0.12 a resumed partition could wait for ever. The slot is only touched by ``poll()``'s caller.
    """
    if getattr(fetcher, "_paused_partition_records", None) and not fetcher._next_partition_records:  # noqa: SLF001
        fetcher._next_partition_records = None  # noqa: SLF001
