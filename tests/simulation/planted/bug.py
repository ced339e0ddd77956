"""One planted bug: a small change to the library's real source that a simulation must notice."""

from __future__ import annotations

from typing import NamedTuple


class Bug(NamedTuple):
    """One change: in *file*, *old* becomes *new*; *executor* = with which kind of handlers it shows, or "replay"."""

    name: str
    file: str
    old: str
    new: str
    executor: str = "thread-pool"
