"""The stack of a coroutine that is awaited, from the outside in, down to the line that waits."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from types import FrameType
from typing import Any

__all__ = ()

# The attributes in which coroutines, generators, async generators and hand-driven wrappers keep the object they wait
# for.
INNER = ("cr_await", "gi_yieldfrom", "ag_await", "coroutine")
FRAME = ("cr_frame", "gi_frame", "ag_frame")


def coroutine_stack(outermost: Any) -> str:
    """Format the frames of *outermost* and of everything it waits for, as ``traceback`` does."""
    frames = [(frame, frame.f_lineno) for frame in _frames(outermost)]
    return "".join(traceback.StackSummary.extract(iter(frames)).format())


def _frames(awaited: Any) -> Iterator[FrameType]:
    while awaited is not None:
        frame = _first(awaited, FRAME)
        if frame is not None:
            yield frame
        awaited = _first(awaited, INNER)


def _first(awaited: Any, names: tuple[str, ...]) -> Any:
    return next((found for name in names if (found := getattr(awaited, name, None)) is not None), None)
