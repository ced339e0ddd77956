"""How a header without a value is written, which kafka-python cannot send: as an empty one, and one more that says so.

A record may come with such a marker already, from a dead letter that was replayed. When it is written again, that one
is moved aside, like every header that only looks like ours.
"""

from __future__ import annotations

from collections.abc import Iterable

from kafka_parallel.dlq._dialects import PREVIOUS

__all__ = ["NULL_HEADER", "Headers", "marked", "restored"]

Headers = Iterable[tuple[str, "bytes | None"]]

NULL_HEADER = "kafka-parallel.null-header"


def marked(headers: Headers) -> list[tuple[str, bytes]]:
    """Return *headers* as they can be sent: values, then which of them stand for none."""
    copied = [(PREVIOUS + name if name == NULL_HEADER else name, value) for name, value in headers]
    nulls = dict.fromkeys(name for name, value in copied if value is None)
    return [(name, value or b"") for name, value in copied] + [(NULL_HEADER, name.encode()) for name in nulls]


def restored(headers: Headers) -> list[tuple[str, bytes | None]]:
    """Return *headers* as they were before they were `marked`."""
    found = list(headers)
    nulls = {(value or b"").decode(errors="replace") for name, value in found if name == NULL_HEADER}
    return [
        (name.removeprefix(PREVIOUS) if name == PREVIOUS + NULL_HEADER else name, None if name in nulls else value)
        for name, value in found
        if name != NULL_HEADER
    ]
