"""How a runner says that it cannot run here, which is no failure."""

from __future__ import annotations


class Skipped(Exception):  # noqa: N818 - it is no error
    """Says why."""
