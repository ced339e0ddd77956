"""TOML as the standard library reads it, or before Python 3.11 as its backport does."""

from __future__ import annotations

import sys
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ()


def parsed(text: str) -> dict[str, Any]:
    """The tables of *text*.

    :raises ValueError: it is no TOML; says where.
    """
    found: dict[str, Any] = tomllib.loads(text)
    return found
