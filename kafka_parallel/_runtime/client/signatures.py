"""Whether a function of the user can be called as it is going to be: told before any record is taken."""

from __future__ import annotations

import inspect
from typing import Any


def misfit(function: Any, count: int) -> str | None:
    """Say why *function* cannot be called with *count* arguments; ``None`` if it can, or does not tell.

    What is written in C may not tell, and decorators may add arguments: only what is called itself is looked at.
    """
    if getattr(function, "__signature__", None) is not None:  # said by hand, maybe of what a decorator has around it
        return None
    try:
        signature = inspect.signature(function, follow_wrapped=False)
    except Exception:  # noqa: BLE001 - an object may answer with anything, and none of that is a misfit
        return None
    try:
        signature.bind(*[None] * count)
    except TypeError as error:
        return str(error)
    return None
