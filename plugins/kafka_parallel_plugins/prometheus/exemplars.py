"""An example for a bucket of durations: one attempt that was counted there, by the trace that its record belongs to.

The trace is the one of the record's header ``traceparent`` (W3C Trace Context), in which the plugin ``opentelemetry``
makes its spans with ``parent="creation"``. Only a trace that was sampled is named: no other can be looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = ()

_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]([0-9a-f])(?:-.*)?", re.DOTALL)
_SAMPLED = 1


class Example(NamedTuple):
    """One attempt.

    :ivar at: when it ended, in seconds since the Unix epoch.
    :ivar seconds: its duration.
    :ivar trace_id: the trace of its record, in hexadecimal digits.
    """

    at: float
    seconds: float
    trace_id: str


def trace_of(headers: Iterable[tuple[str, bytes | None]]) -> str | None:
    """The trace that *headers* name, if it was sampled; of two such headers the last one counts."""
    found = [value for name, value in headers if name == "traceparent"]
    match = _TRACEPARENT.fullmatch(found[-1] or b"") if found else None
    return match[1].decode() if match is not None and int(match[2], 16) & _SAMPLED else None


def newest(parts: Sequence[Sequence[Example | None]]) -> list[Example | None]:
    """The last example of each bucket over all *parts*."""
    columns = zip(*map(list, parts), strict=True)
    return [max((each for each in column if each is not None), default=None) for column in columns]
