"""Times and ages on the command line: ``2026-11-01T12:00``, or ``1h`` for an hour ago."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

import click

__all__ = ()

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
AGE = re.compile(r"([0-9]{1,6})([smhd])")


def age_of(text: str) -> timedelta | None:
    """Read a number and a unit; ``None`` if *text* is something else."""
    found = AGE.fullmatch(text)
    return None if found is None else timedelta(**{UNITS[found[2]]: int(found[1])})


class Age(click.ParamType):  # type: ignore[type-arg] # only generic since click 8.2
    """A number and a unit: seconds, minutes, hours or days."""

    name = "age"

    def convert(self, value: Any, param: Any, ctx: Any) -> timedelta:
        """Read an age such as ``30d``."""
        found = age_of(str(value))
        if found is None:
            self.fail(f"{value!r} is no age: write a number and s, m, h or d, such as 30d", param, ctx)
        if not found:
            self.fail(f"{value!r} is no age: it must be above 0", param, ctx)
        return found


class Moment(click.DateTime):
    """A time in UTC, or how long ago it was."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        """Read it."""
        ago = age_of(str(value))
        if ago is not None:
            return self._ago(ago, value, param, ctx)
        try:
            found: datetime = super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(
                f"{value!r} is no time: write 2026-11-01, 2026-11-01T12:00:00 (UTC), or an age such as 90s, 30m, 1h, "
                "7d for so long ago", param, ctx,
            )  # fmt: skip
        return found.replace(tzinfo=timezone.utc)

    def _ago(self, ago: timedelta, value: Any, param: Any, ctx: Any) -> datetime:
        try:
            return datetime.now(timezone.utc) - ago
        except OverflowError:
            self.fail(f"{value!r} ago is before the year 1", param, ctx)
