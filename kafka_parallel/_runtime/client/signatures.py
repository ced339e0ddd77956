"""Checks a function of the user for the arguments of its call, before any record is taken."""

from __future__ import annotations

import inspect
from typing import Any


def misfit(function: Any, count: int) -> str | None:
    """Say why *function* cannot be called with *count* arguments; ``None`` if it can, or does not tell.

    A function written in C may not tell, and decorators may add arguments: only the called object itself is looked at.
    """
    if getattr(function, "__signature__", None) is not None:  # maybe that of the decorated function
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
