"""The changes that a run has made to a KafkaConsumer, each noted beside the act that takes it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kafka_parallel._logs import area_logger

log = area_logger("run")

_MISSING = object()


# see docs/decisions/0046-takeover-is-undone.md
class Changes:
    """The changes that were made, to be taken back in reverse order."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], object]] = []

    def note(self, undo: Callable[[], object]) -> None:
        """Note the act that takes back a change that was just made."""
        self._undo.append(undo)

    def put(self, mapping: dict[str, Any], name: str, *, value: Any) -> None:
        """Change one entry of *mapping*."""
        before = mapping.get(name, _MISSING)
        mapping[name] = value
        self.note(lambda: mapping.pop(name, None) if before is _MISSING else mapping.update({name: before}))

    def undo(self) -> None:
        """Take everything back; a change that cannot be is logged, and does not keep the rest."""
        while self._undo:
            try:
                self._undo.pop()()
            except Exception:
                log.exception("a change of the KafkaConsumer could not be undone: build a new one")
