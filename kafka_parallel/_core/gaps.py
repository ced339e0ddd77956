"""The time that the loop did not come round: a cause to name when a member was removed from its group.

Rule 1: the loop looks several times a second, so a longer time between two looks is a gap, whatever it was spent with.
Rule 2: only the longest gap of the last while is kept, for a loss is noticed soon after the gap that caused it.
"""

from __future__ import annotations

from collections import deque

# Seconds between two looks from which on they count as a gap.
LEAST = 1.0


class Gaps:
    """The gaps between the looks of one loop."""

    def __init__(self) -> None:
        self._last_look: float | None = None
        self._gaps: deque[tuple[float, float]] = deque(maxlen=16)

    def note_round(self, now: float) -> None:
        """Note that the loop comes round at *now*, in seconds of the monotonic clock."""
        if self._last_look is not None and now - self._last_look >= LEAST:
            self._gaps.append((now, now - self._last_look))
        self._last_look = now

    def longest(self, since: float, now: float) -> float:
        """The longest gap that ended at *since* or later, in seconds; the one that still lasts at *now* included."""
        current = 0.0 if self._last_look is None else now - self._last_look
        return max([current, *(seconds for ended_at, seconds in self._gaps if ended_at >= since)])
