"""Ordering keys with code of their own, which asks for the consumer's statistics whenever it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class OddKey:
    """Equals the keys that stand for the same.

    :param stands_for: the value that is compared.
    :param ask: called whenever two keys are compared or one is hashed.
    """

    __slots__ = ("_ask", "_stands_for")

    def __init__(self, stands_for: Any, ask: Callable[[], None]) -> None:
        self._stands_for = stands_for
        self._ask = ask

    def __hash__(self) -> int:
        self._ask()
        return len(self._stands_for)  # many have the same, so that they are compared

    def __eq__(self, other: object) -> bool:
        self._ask()
        return isinstance(other, OddKey) and self._stands_for == other._stands_for
