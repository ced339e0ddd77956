"""The list of hooks."""

from __future__ import annotations

from kafka_parallel import hookspecs


def hooks() -> list:
    """The hook specifications, in the order of the file."""
    return [found for name, found in vars(hookspecs).items() if name.startswith(("on_", "provide_"))]
