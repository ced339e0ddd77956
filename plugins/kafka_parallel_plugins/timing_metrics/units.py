"""How numbers are written for people: a time in the unit that fits, a rate, a share."""

from __future__ import annotations

__all__ = ()


def time_text(milliseconds: float) -> str:
    """Write a time with three digits that count: ``0.250 ms``, ``34.1 ms``, ``2.50 s``, ``12.3 min``."""
    if milliseconds < 1000:
        return f"{_three_digits(milliseconds)} ms"
    if milliseconds < 120_000:
        return f"{_three_digits(milliseconds / 1000)} s"
    return f"{_three_digits(milliseconds / 60_000)} min"


def rate_text(per_second: float) -> str:
    """Write a rate: ``0.250/s``, ``1234/s``."""
    return f"{_three_digits(per_second)}/s"


def share_text(share: float) -> str:
    """Write a share of 1: ``62 %``."""
    return f"{share * 100:.0f} %"


def _three_digits(value: float) -> str:
    decimals = next((places for bound, places in ((0.9995, 3), (9.995, 2), (99.95, 1)) if value < bound), 0)
    return f"{value:.{decimals}f}" if value else "0"
